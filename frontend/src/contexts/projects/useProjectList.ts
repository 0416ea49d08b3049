import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

import { oneOf, remembered } from '@/app/remembered'

import { tagsIn } from './fields'
import { countsOf, filtered, filtersFrom, filtersQuery, type Filters } from './filters'
import { sorted, sortFrom, sortText, type Sort } from './ordering'
import type { Project } from './projects.api'

/** The ways to look at projects. */
export const VIEWS = ['board', 'cards', 'table'] as const

/** One of {@link VIEWS}. */
export type View = (typeof VIEWS)[number]

const lastView = remembered<View>('projects.view', 'board', oneOf(...VIEWS))
const lastSort = remembered<string>('projects.sort', 'manual')

/** What the page shows of all projects: everything about it stands in the address, so that it can be shared and gone back to. */
export function useProjectList(all: () => Project[]) {
  const route = useRoute()
  const router = useRouter()

  const view = computed<View>(() => VIEWS.find((known) => known === (route.query.view ?? lastView.value)) ?? 'board')
  const sort = computed<Sort>(() => sortFrom(route.query.sort ?? lastSort.value))
  const filters = computed<Filters>(() => filtersFrom(route.query))

  const outcome = computed(() => filtered(all(), filters.value))
  const shown = computed(() => sorted(outcome.value.shown, sort.value))
  const offered = computed(() => {
    const values = (pick: (project: Project) => string[]) => [...new Set(all().flatMap(pick))].sort((left, right) => left.localeCompare(right))
    return {
      status: values((project) => [project.status]),
      priority: values((project) => [project.priority]),
      category: values((project) => [project.category ?? '']).filter(Boolean),
      tag: values(tagsIn),
    }
  })

  const query = computed<LocationQueryRaw>(() => ({ ...filtersQuery(filters.value), view: view.value, sort: sortText(sort.value) }))
  const go = (wanted: LocationQueryRaw) => router.replace({ query: wanted })

  return {
    view,
    sort,
    filters,
    shown,
    /** Those that the filters let through, the finished ones included. */
    passing: computed(() => outcome.value.passing),
    hidden: computed(() => outcome.value.hidden),
    offered,
    counts: computed(() => countsOf(all())),
    /** The address of what is shown, complete. */
    query,
    /** Shows what an address says. */
    go,
    show(wanted: View) {
      lastView.value = wanted
      void go({ ...query.value, view: wanted })
    },
    sortBy(wanted: Sort) {
      lastSort.value = sortText(wanted)
      void go({ ...query.value, sort: sortText(wanted) })
    },
    filter(change: Partial<Filters>) {
      void go({ ...filtersQuery({ ...filters.value, ...change }), view: view.value, sort: sortText(sort.value) })
    },
    clear() {
      void go({ view: view.value, sort: sortText(sort.value), ...(filters.value.archive && { archive: '1' }) })
    },
  }
}
