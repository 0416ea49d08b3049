import { useThrottleFn } from '@vueuse/core'
import { computed, shallowRef, triggerRef, watch, type Ref } from 'vue'

import { useLines, type Line } from '@/app/connection'
import { useLive } from '@/app/live'
import { listRuns, type Run } from '@/contexts/runs/runs.api'

import { figuresOf, namesOf, strangers, type RunSum } from './agentFigures'
import { agentSums, type Profile } from './profiles.api'

const PERIOD_DAYS = 30
const DAY_MS = 86_400_000
/** Sums over all usage are asked for at most this often while agents report. */
const PAUSE_MS = 5_000
/** Agents without usage are looked for among this many of the newest runs. */
const NEWEST = 500
const AT_ONCE = 4

/** What the agents of the profiles, and those without one, did and cost; kept true by the stream. */
export function useAgentFigures(profiles: Ref<Profile[] | undefined>) {
  const runs = shallowRef(new Map<string, RunSum>())
  const seen = shallowRef(new Set<string>())
  const asked = new Set<string>()

  const sums = useLive({
    load: async (signal) => {
      const since = new Date(Date.now() - PERIOD_DAYS * DAY_MS).toISOString()
      const [recent, ever] = await Promise.all([agentSums(since, signal), agentSums(undefined, signal)])
      return { recent, ever }
    },
    affects: () => false,
  })
  const newest = useLive({ load: async (signal) => (await listRuns({}, { limit: NEWEST }, signal)).runs, affects: () => false })
  const later = useThrottleFn(() => void sums.reload(), PAUSE_MS, true, false)

  const all = computed(() => [
    ...new Set([
      ...(profiles.value ?? []).flatMap(namesOf),
      ...(sums.data.value?.ever ?? []).map(({ agentId }) => agentId),
      ...(newest.data.value ?? []).flatMap(({ agentId }) => agentId ?? []),
      ...seen.value,
    ]),
  ])

  async function count(agentId: string) {
    const page = await listRuns({ agentId }, { limit: 1 }).catch(() => undefined)
    if (!page) return asked.delete(agentId)
    runs.value.set(agentId, { total: page.total, last: page.runs[0]?.createdAt ?? null })
    triggerRef(runs)
  }

  watch(
    all,
    async (agents) => {
      const fresh = agents.filter((agentId) => agentId && !asked.has(agentId))
      fresh.forEach((agentId) => asked.add(agentId))
      for (let from = 0; from < fresh.length; from += AT_ONCE) await Promise.all(fresh.slice(from, from + AT_ONCE).map(count))
    },
    { immediate: true },
  )

  function follow({ operation, change }: Line) {
    if (operation.startsWith('usage.')) later()
    if (!operation.startsWith('run.')) return
    const { before, after } = change as { before?: Partial<Run>; after?: Partial<Run> }
    if (after?.usage) later()
    const touched = [before?.agentId, after?.agentId].filter((agentId): agentId is string => Boolean(agentId))
    for (const agentId of touched) {
      if (asked.has(agentId)) void count(agentId)
      else seen.value = new Set([...seen.value, agentId])
    }
  }
  useLines(follow, () => {
    asked.clear()
    void sums.reload()
    void newest.reload()
    seen.value = new Set(seen.value)
  })

  return {
    figures: (names: string[]) => figuresOf(names, runs.value, sums.data.value?.recent ?? []),
    /** Agents at work whom no profile names. */
    withoutProfile: computed(() => (profiles.value ? strangers(all.value, profiles.value) : [])),
  }
}
