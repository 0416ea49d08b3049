import { computed, type ComputedRef } from 'vue'

import { useLive } from '@/app/live'
import { useUrlFilters } from '@/app/urlFilters'
import { agentSums } from '@/contexts/profiles/profiles.api'
import { useProjects } from '@/contexts/projects/projects.store'
import { useTicking } from '@/design/format'

import type { Run, RunFilter } from './runs.api'
import { isStalled, stalledMinutes } from './stalled'
import { useRunList } from './useRunList'

/** What usage without an agent is counted under. */
const NOBODY = 'unassigned'

/** The runs of all projects, or of one, with the filters of the address. */
export function useRunBrowser(projectId?: () => string) {
  const projects = useProjects()
  const { filters, isAny, clear } = useUrlFilters(['project', 'agent', 'status', 'stalled', 'text'])
  const now = useTicking('minute')
  const asked: ComputedRef<RunFilter> = computed(() => ({
    projectId: projectId?.() ?? filters.project,
    agentId: filters.agent,
    status: filters.status,
  }))
  const { list, error, isLoading, isLoadingMore, reload, more } = useRunList(() => asked.value)

  const isSearching = computed(() => filters.text.trim() !== '' || filters.stalled !== '')
  const sought = computed(() => filters.text.trim().toLowerCase())

  const hasText = (run: Run) =>
    [run.title, run.id, run.agentId, run.status, projects.nameOf(run.projectId), run.summary].some(
      (value) => typeof value === 'string' && value.toLowerCase().includes(sought.value),
    )
  const isStill = (run: Run) => isStalled(run, list.value.signs.get(run.id), now.value, stalledMinutes.value)

  const shown = computed(() => {
    const { runs } = list.value
    // Copied, for the list is changed in place.
    if (!isSearching.value) return runs.slice()
    return runs.filter((run) => (!filters.stalled || isStill(run)) && (!sought.value || hasText(run)))
  })
  // Agents of runs that were not fetched are known by what they used.
  const sums = useLive({ load: (signal) => agentSums(undefined, signal), affects: () => false })
  const agents = computed(() => unique([...list.value.runs.map(({ agentId }) => agentId), ...(sums.data.value ?? []).map(({ agentId }) => agentId).filter((agentId) => agentId !== NOBODY)]))
  const statuses = computed(() => unique(list.value.runs.map(({ status }) => status)))

  return { filters, isAny, clear, list, shown, error, isLoading, isLoadingMore, isSearching, reload, more, agents, statuses }
}

const unique = (values: (string | null | undefined)[]) => [...new Set(values.filter((value): value is string => Boolean(value)))].sort()
