import type { Line } from './insights.api'

/** Subjects of lines that have a name of their own in a summary. */
const KINDS = ['project', 'run', 'event', 'action', 'usage', 'proposal', 'profile', 'capability', 'user'] as const
type Kind = (typeof KINDS)[number] | 'other'

/** What happened in one project, or outside of all of them. */
export interface Summary {
  projectId: string | null
  /** The time of the newest line. */
  newest: string
  /** How many lines there are of each kind. */
  counts: [Kind, number][]
}

/** Lines, oldest first, as one summary per project, the one with the newest line first. */
export function summarized(lines: Line[]): Summary[] {
  const groups = new Map<string | null, { newest: string; counts: Map<Kind, number> }>()
  for (const { projectId, operation, ts } of lines) {
    const group = groups.get(projectId) ?? { newest: ts, counts: new Map<Kind, number>() }
    const kind = KINDS.find((known) => operation.startsWith(known)) ?? 'other'
    group.counts.set(kind, (group.counts.get(kind) ?? 0) + 1)
    group.newest = ts
    groups.delete(projectId)
    groups.set(projectId, group)
  }
  return [...groups].reverse().map(([projectId, { newest, counts }]) => ({ projectId, newest, counts: [...counts] }))
}
