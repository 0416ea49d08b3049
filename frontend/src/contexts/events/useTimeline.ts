import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref } from 'vue'

import type { ApiFailure } from '@/api/client'
import { useLines, type Line } from '@/app/connection'
import { listChanges } from '@/contexts/history/history.api'
import { listRuns, readRun, type Run } from '@/contexts/runs/runs.api'

import { listEvents } from './events.api'
import { usePaged, type Paged } from './paged'
import { folded, merged, ofChange, ofEvent, ofRun, shortest, type Entry } from './timeline'
import { matching, type TimelineFilter } from './timeline.filter'

/** Lines that come within this time cause one request, in milliseconds. */
const GATHER_MS = 200
/** An event is a little older than the line that tells of it. */
const SLACK_MS = 10_000
const MOST_RUNS_AT_A_TIME = 500
/** More than these nobody keeps who looks at the newest ones. */
const MOST_ENTRIES = 12_000

/** A timeline that reads itself on and follows the ledger. */
export interface Timeline {
  /** What is looked at, newest first. */
  entries: ComputedRef<Entry[]>
  /** How many were read, looked at or not. */
  readCount: ComputedRef<number>
  run: (id: string) => Run | undefined
  types: ComputedRef<string[]>
  agents: ComputedRef<string[]>
  isLoading: ComputedRef<boolean>
  isReadingOn: Ref<boolean>
  isComplete: ComputedRef<boolean>
  error: ComputedRef<ApiFailure | undefined>
  readOn: () => Promise<void>
  /** Forgets what is old, so that a page that stays open for days does not grow. */
  trim: () => void
}

/** What happened in a project, or in a run, as far as `filter` looks. */
export function useTimeline(of: { projectId: string } | { runId: string }, filter: Readonly<Ref<TimelineFilter>>): Timeline {
  const projectId = 'projectId' in of ? of.projectId : undefined
  const sources = shallowRef(begin())
  const isReadingOn = ref(false)
  const types = new Set<string>()
  const agents = new Set<string>()

  function begin() {
    const { agent, type, level } = filter.value
    const agentId = agent || undefined
    const events = usePaged<string>(async (limit, before, signal, since) => {
      const { data, nextCursor } = await listEvents({ ...of, since, agentId, type: type || undefined, level: level === 'all' ? undefined : level }, limit, before, signal)
      return { entries: data.map(ofEvent), next: nextCursor }
    })
    const runs = usePaged<string>(async (limit, before, signal) => {
      if (!projectId) return { entries: [], next: null }
      const page = await listRuns({ projectId, agentId }, { limit: Math.min(limit, MOST_RUNS_AT_A_TIME), cursor: before }, signal)
      return { entries: page.runs.map(ofRun), next: page.next }
    })
    const changes = usePaged<number>(async (limit, before, signal) => {
      if (!projectId) return { entries: [], next: null }
      const { data, nextBefore } = await listChanges(projectId, Math.min(limit, MOST_RUNS_AT_A_TIME), before, signal)
      return { entries: data.map(ofChange), next: nextBefore }
    })
    const all = { events, runs, changes }
    Object.values(all).forEach((source) => void source.more())
    return all
  }

  const end = () => Object.values(sources.value).forEach((source) => source.stop())
  watch(() => [filter.value.agent, filter.value.type, filter.value.level], () => {
    end()
    sources.value = begin()
  })
  onScopeDispose(end)

  /** Those whose entries can be looked at; the others need not be read to their end. */
  const wanted = computed<Paged[]>(() => {
    const { kind, type } = filter.value
    const { events, runs, changes } = sources.value
    if (kind === 'runs') return [runs]
    if (kind === 'changes') return [changes]
    if (kind !== 'all' || type) return [events]
    return [events, runs, changes]
  })
  const stretches = computed(() => wanted.value.map(({ stretch }) => stretch.value))
  const inOrder = computed(() => merged(stretches.value))
  const entries = computed(() => (filter.value.kind === 'all' ? folded(inOrder.value) : inOrder.value).filter(matching(filter.value)))
  const runsById = computed(() => new Map(sources.value.runs.stretch.value.entries.flatMap((entry) => (entry.kind === 'run' ? [[entry.run.id, entry.run] as const] : []))))

  async function readOn() {
    const short = shortest(stretches.value)
    const source = wanted.value.find(({ stretch }) => stretch.value === short)
    if (!source || isReadingOn.value) return
    isReadingOn.value = true
    await source.more()
    isReadingOn.value = false
  }

  follow(of, () => sources.value, async (id) => {
    const { data } = await readRun(id)
    const isAsked = data.projectId === projectId && (!filter.value.agent || data.agentId === filter.value.agent)
    if (isAsked) sources.value.runs.put([ofRun(data)])
  })

  const gathered = (known: Set<string>, found: (entry: Entry) => string | null) =>
    computed(() => {
      inOrder.value.forEach((entry) => {
        const word = found(entry)
        if (word) known.add(word)
      })
      return [...known].sort()
    })

  return {
    entries,
    readCount: computed(() => inOrder.value.length),
    run: (id) => runsById.value.get(id),
    types: gathered(types, (entry) => ('event' in entry ? entry.event.type : null)),
    agents: gathered(agents, (entry) => ('event' in entry ? entry.event.agentId : 'run' in entry ? entry.run.agentId : (entry.change.action?.agentId ?? null))),
    isLoading: computed(() => wanted.value.some(({ isLoaded, error }) => !isLoaded.value && !error.value)),
    isReadingOn,
    isComplete: computed(() => stretches.value.every(({ isComplete }) => isComplete)),
    error: computed(() => wanted.value.map(({ error }) => error.value).find(Boolean)),
    readOn,
    trim: () => {
      if (inOrder.value.length > MOST_ENTRIES) Object.values(sources.value).forEach((source) => source.trim(MOST_ENTRIES / 2))
    },
  }
}

/** Fetches what the lines of the ledger tell of: the newest page, or the very run. */
function follow(of: { projectId: string } | { runId: string }, sources: () => { events: Paged; runs: Paged; changes: Paged }, readAgain: (runId: string) => Promise<void>) {
  let timer: ReturnType<typeof setTimeout> | undefined
  const isDue = { events: false, runs: false, changes: false }
  /** The first moment that may be new; a filter can make the newest entry that is known an old one. */
  let since: string | undefined
  const runIds = new Set<string>()

  function fetchDue() {
    timer = undefined
    const { events, runs, changes } = sources()
    if (isDue.events) void events.newest(since)
    if (isDue.runs) void runs.newest()
    if (isDue.changes) void changes.newest()
    runIds.forEach((id) => void readAgain(id).catch(() => undefined))
    Object.assign(isDue, { events: false, runs: false, changes: false })
    runIds.clear()
    since = undefined
  }
  const soon = () => {
    timer ??= setTimeout(fetchDue, GATHER_MS)
  }
  const isOurs = ({ projectId, runId }: Line) => ('projectId' in of ? projectId === of.projectId : runId === of.runId)

  useLines(
    (line) => {
      if (!isOurs(line)) return
      if (line.operation.startsWith('run.') && line.subjectId) runIds.add(line.subjectId)
      else if (line.operation.startsWith('project.')) isDue.changes = true
      else if (!isDue.events) {
        isDue.events = true
        since = new Date(Date.parse(line.ts) - SLACK_MS).toISOString()
      }
      soon()
    },
    () => {
      since = undefined
      Object.assign(isDue, { events: true, runs: true, changes: true })
      soon()
    },
  )
  onScopeDispose(() => clearTimeout(timer))
}
