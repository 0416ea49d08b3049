import type { Line } from '@/app/connection'

import type { Run, RunFilter } from './runs.api'

/** Runs as they were fetched, and what is known of them beyond. */
export interface RunList {
  runs: Run[]
  total: number
  /** Whether there are no older ones on the server. */
  isComplete: boolean
  signs: Map<string, string>
}

/** What a line asks for that it does not tell by itself. */
export type Wanted = { kind: 'nothing' } | { kind: 'run'; id: string } | { kind: 'all' }

const NOTHING: Wanted = { kind: 'nothing' }

/** Whether the filters that the server knows let a run through. */
export function matches(run: Pick<Run, 'projectId' | 'agentId' | 'status'>, filter: RunFilter): boolean {
  return (
    (!filter.projectId || run.projectId === filter.projectId) &&
    (!filter.agentId || run.agentId === filter.agentId) &&
    (!filter.status || run.status === filter.status)
  )
}

/** Puts a run where it stands, newest first; one that is older than all that were fetched comes with their page. */
export function insert(list: RunList, run: Run) {
  const known = list.runs.findIndex(({ id }) => id === run.id)
  if (known >= 0) list.runs.splice(known, 1)
  const born = run.createdAt ?? ''
  const place = list.runs.findIndex(({ createdAt }) => (createdAt ?? '') <= born)
  if (place >= 0) list.runs.splice(place, 0, run)
  else if (list.isComplete) list.runs.push(run)
}

/**
 * Applies what a line of the ledger tells to the list, in place. `isReplay` is a line that came while the list was fetched:
 * the answer may know of it already.
 */
export function follow(list: RunList, line: Line, filter: RunFilter, isReplay = false): Wanted {
  if (line.runId) list.signs.set(line.runId, line.ts)
  const { before, after } = line.change as { before?: Partial<Run>; after?: Partial<Run> }
  switch (line.operation) {
    case 'run.created':
      return created(list, after as Run | undefined, filter, isReplay)
    case 'run.updated':
      return updated(list, line.subjectId ?? '', before ?? {}, after ?? {}, filter)
    // Its runs lose their project without a line of their own.
    case 'project.deleted':
      return list.runs.some(({ projectId }) => projectId === line.projectId) ? { kind: 'all' } : NOTHING
    default:
      return NOTHING
  }
}

function created(list: RunList, run: Run | undefined, filter: RunFilter, isReplay: boolean): Wanted {
  if (!run?.id) return { kind: 'all' }
  if (!matches(run, filter) || list.runs.some(({ id }) => id === run.id)) return NOTHING
  const before = list.runs.length
  insert(list, run)
  // Older than what was fetched: the total of the answer has most likely counted it.
  if (!isReplay || list.runs.length > before) list.total += 1
  return NOTHING
}

function updated(list: RunList, id: string, before: Partial<Run>, after: Partial<Run>, filter: RunFilter): Wanted {
  const place = list.runs.findIndex((run) => run.id === id)
  const known = list.runs[place]
  if (!known) return entersFilter(before, after, filter) ? { kind: 'run', id } : NOTHING
  const gone = Object.keys(before).filter((field) => !(field in after))
  const changed = { ...known, ...after } as Run
  for (const field of gone) Reflect.deleteProperty(changed, field)
  if (matches(changed, filter)) {
    list.runs[place] = changed
  } else {
    list.runs.splice(place, 1)
    list.total -= 1
  }
  return NOTHING
}

/** Whether a change of fields may have brought a run into what is shown. */
function entersFilter(before: Partial<Run>, after: Partial<Run>, filter: RunFilter): boolean {
  return (['projectId', 'agentId', 'status'] as const).some(
    (field) => Boolean(filter[field]) && after[field] === filter[field] && before[field] !== filter[field],
  )
}
