import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { asTimes, daysBefore, daysOf, PERIODS, type Days, type Period } from './periods'
import { DIMENSIONS, type Dimension, type UsageFilter } from './usage.api'

/** What is drawn: money or tokens. */
export type Measure = 'cost' | 'tokens'

const DAY = /^\d{4}-\d{2}-\d{2}$/

/** The choices of the cost page, which live in its address. */
export function useCostFilters(projectId?: string) {
  const route = useRoute()
  const router = useRouter()

  const text = (name: string) => {
    const value = route.query[name]
    return typeof value === 'string' && value ? value : undefined
  }
  const set = (changes: Record<string, string | undefined>) => {
    const query = Object.fromEntries(Object.entries({ ...route.query, ...changes }).filter(([, value]) => value))
    void router.replace({ query })
  }
  const choice = <T extends string>(name: string, known: readonly T[], initial: T) =>
    computed<T>({
      get: () => known.find((word) => word === text(name)) ?? initial,
      set: (word) => set({ [name]: word === initial ? undefined : word }),
    })

  const period = computed<Period | 'custom'>({
    get: () => (text('from') && text('to') ? 'custom' : (PERIODS.find((word) => word === text('period')) ?? '30d')),
    set: (word) => {
      if (word === 'custom') set({ from: days.value.first ?? days.value.last, to: days.value.last, period: undefined })
      else set({ period: word === '30d' ? undefined : word, from: undefined, to: undefined })
    },
  })
  const days = computed<Days>(() => {
    const [from, to] = [text('from'), text('to')]
    if (from && to && DAY.test(from) && DAY.test(to)) return from <= to ? { first: from, last: to } : { first: to, last: from }
    return daysOf(period.value === 'custom' ? '30d' : period.value, Date.now())
  })
  const narrowed = computed(() => Object.fromEntries(DIMENSIONS.map((name) => [name, name === 'project' ? (projectId ?? text(name)) : text(name)])) as Record<Dimension, string | undefined>)

  const filterOf = (chosen: Days): UsageFilter => {
    const { project, agent, ...rest } = narrowed.value
    return { ...asTimes(chosen), projectId: project, agentId: agent, ...rest }
  }

  return {
    period,
    days,
    narrowed,
    set,
    from: computed({ get: () => days.value.first ?? '', set: (from: string) => set({ from, to: days.value.last, period: undefined }) }),
    to: computed({ get: () => days.value.last, set: (to: string) => set({ from: days.value.first ?? to, to, period: undefined }) }),
    measure: choice<Measure>('measure', ['cost', 'tokens'], 'cost'),
    stack: choice<Dimension>('by', DIMENSIONS, 'model'),
    filter: computed(() => filterOf(days.value)),
    filterBefore: computed(() => {
      const before = daysBefore(days.value)
      return before && filterOf(before)
    }),
    isNarrowed: computed(() => DIMENSIONS.some((name) => !(name === 'project' && projectId) && narrowed.value[name])),
    clear: () => set(Object.fromEntries(DIMENSIONS.map((name) => [name, undefined]))),
  }
}
