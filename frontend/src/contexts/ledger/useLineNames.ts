import { useThrottleFn } from '@vueuse/core'
import { computed, shallowRef, triggerRef, type ComputedRef } from 'vue'

import { api, unwrap, type Schemas } from '@/api/client'
import { useLines, type Line } from '@/app/connection'
import { useIdentity } from '@/contexts/identity/identity.store'
import { useProjects } from '@/contexts/projects/projects.store'
import { listRuns, type Run } from '@/contexts/runs/runs.api'

import type { Names } from './sentences'

type Event = Schemas['EventView']

/** The ledger names runs and events by id; so many of the newest ones get their titles. Older ones are told without. */
const NEWEST = 500
const PAUSE_MS = 300

/** The names that sentences need, as far as they are known; they are looked up as lines come. */
export function useLineNames(): ComputedRef<Names> {
  const projects = useProjects()
  const identity = useIdentity()
  const runs = shallowRef(new Map<string, Partial<Run>>())
  const events = shallowRef(new Map<string, Event>())

  async function fetchEvents(limit: number) {
    const answer = await unwrap(api.GET('/api/agent/events', { params: { query: { limit } } })).catch(() => undefined)
    for (const event of answer?.data ?? []) if (event.id) events.value.set(event.id, event)
    triggerRef(events)
  }
  async function fetchRuns() {
    const page = await listRuns({}, { limit: NEWEST }).catch(() => undefined)
    for (const run of page?.runs ?? []) runs.value.set(run.id, run)
    triggerRef(runs)
  }
  const fetchNewest = useThrottleFn(() => void fetchEvents(100), PAUSE_MS, true, true)

  function follow({ operation, subjectId, change }: Line) {
    if (operation === 'event.appended' || operation === 'action.applied') fetchNewest()
    if (!operation.startsWith('run.') || !subjectId) return
    const { after } = change as { after?: Partial<Run> }
    runs.value.set(subjectId, { ...runs.value.get(subjectId), ...after })
    triggerRef(runs)
  }
  useLines(follow, () => {
    void fetchRuns()
    void fetchEvents(NEWEST)
  })
  void fetchRuns()
  void fetchEvents(NEWEST)

  return computed(() => {
    const [knownRuns, knownEvents, account] = [runs.value, events.value, identity.account]
    return {
      project: (id) => projects.find(id)?.name,
      user: (id) => (account?.id === id ? account.username : undefined),
      run: (id) => knownRuns.get(id),
      event: (id) => knownEvents.get(id),
    }
  })
}
