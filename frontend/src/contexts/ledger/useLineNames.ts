import { useThrottleFn } from '@vueuse/core'
import { computed, shallowRef, type ComputedRef } from 'vue'

import { api, unwrap, type Schemas } from '@/api/client'
import { useLines, type Line } from '@/app/connection'
import { useIdentity } from '@/contexts/identity/identity.store'
import { listCapabilities } from '@/contexts/capabilities/capabilities.api'
import { listProfiles } from '@/contexts/profiles/profiles.api'
import { useProjects } from '@/contexts/projects/projects.store'
import { listRuns, type Run } from '@/contexts/runs/runs.api'

import type { Names } from './sentences'

type Event = Schemas['EventView']

/** The ledger names runs and events by id; so many of the newest ones get their titles. Older ones are told without. */
const NEWEST = 500
const PAUSE_MS = 1_000

/** The names that sentences need, as far as they are known; they are looked up as lines come. */
export function useLineNames(): ComputedRef<Names> {
  const projects = useProjects()
  const identity = useIdentity()
  const runs = shallowRef(new Map<string, Partial<Run>>())
  const events = shallowRef(new Map<string, Event>())
  const entries = shallowRef(new Map<string, string>())

  async function fetchEvents(limit: number) {
    const answer = await unwrap(api.GET('/api/agent/events', { params: { query: { limit } } })).catch(() => undefined)
    for (const event of answer?.data ?? []) if (event.id) events.value.set(event.id, event)
    events.value = new Map(events.value)
  }
  async function fetchRuns() {
    const page = await listRuns({}, { limit: NEWEST }).catch(() => undefined)
    for (const run of page?.runs ?? []) runs.value.set(run.id, run)
    runs.value = new Map(runs.value)
  }
  async function fetchEntries() {
    const lists = await Promise.all([listProfiles(), listCapabilities()]).catch(() => [])
    entries.value = new Map([...entries.value, ...lists.flat().map(({ id, name }) => [id, name] as const)])
  }
  const fetchNewest = useThrottleFn(() => void fetchEvents(100), PAUSE_MS, true, true)

  function follow({ operation, subjectId, change }: Line) {
    if (operation.startsWith('profile.') || operation.startsWith('capability.')) void fetchEntries()
    if (operation === 'event.appended' || operation === 'action.applied') fetchNewest()
    if (!operation.startsWith('run.') || !subjectId) return
    const { after } = change as { after?: Partial<Run> }
    runs.value.set(subjectId, { ...runs.value.get(subjectId), ...after })
    runs.value = new Map(runs.value)
  }
  useLines(follow, () => {
    void fetchRuns()
    void fetchEvents(NEWEST)
    void fetchEntries()
  })
  void fetchRuns()
  void fetchEntries()
  void fetchEvents(NEWEST)

  return computed(() => {
    const [knownRuns, knownEvents, knownEntries, account] = [runs.value, events.value, entries.value, identity.account]
    return {
      project: (id) => projects.find(id)?.name,
      user: (id) => (account?.id === id ? account.username : undefined),
      run: (id) => knownRuns.get(id),
      entry: (id) => knownEntries.get(id),
      event: (id) => knownEvents.get(id),
    }
  })
}
