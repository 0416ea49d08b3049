import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { KINDS, LEVELS, type TimelineFilter } from './timeline.filter'

const EMPTY: TimelineFilter = { kind: 'all', level: 'all', type: '', agent: '', text: '' }

/** What of a timeline is looked at, kept in the address. */
export function useTimelineFilter() {
  const route = useRoute()
  const router = useRouter()
  const one = (name: string) => (typeof route.query[name] === 'string' ? route.query[name] : '')
  const among = <T extends string>(words: readonly T[], wanted: string, otherwise: T) => words.find((word) => word === wanted) ?? otherwise

  const filter = computed<TimelineFilter>(() => ({
    kind: among(KINDS, one('kind'), 'all'),
    level: among(LEVELS, one('level'), 'all'),
    type: one('type'),
    agent: one('agent'),
    text: one('q'),
  }))

  function change(part: Partial<TimelineFilter>) {
    const { text, ...next } = { ...filter.value, ...part }
    const query: Record<string, string | undefined> = { q: text }
    for (const name of ['kind', 'level', 'type', 'agent'] as const) query[name] = next[name] === EMPTY[name] ? undefined : next[name]
    void router.replace({ query: { ...route.query, ...query, q: text || undefined } })
  }

  return { filter, change, clear: () => change(EMPTY), isEmpty: computed(() => JSON.stringify(filter.value) === JSON.stringify(EMPTY)) }
}
