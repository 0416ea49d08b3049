import { PROJECT_STATUSES } from '@/design/words'

import { FINISHED } from './filters'
import type { Project } from './projects.api'

/** A column of the board. */
export interface Column {
  status: string
  projects: Project[]
  /** How many there are, shown or not. */
  count: number
  /** Whether it is folded: its projects are out of the way, but others can be moved there. */
  isFolded: boolean
}

/**
 * The columns: all statuses that we know, and those that others made up and that occur; with `wanted`, only these.
 * `passing` are the projects that the filters let through, shown or not.
 */
export function columnsOf(shown: Project[], passing: Project[], isArchiveOpen: boolean, wanted: string[] = []): Column[] {
  const other = [...new Set(passing.map(({ status }) => status))].filter((status) => !PROJECT_STATUSES.includes(status)).sort()
  const open = PROJECT_STATUSES.filter((status) => !FINISHED.includes(status))
  const statuses = [...open, ...other, ...FINISHED].filter((status) => wanted.length === 0 || wanted.includes(status))
  return statuses.map((status) => {
    const projects = shown.filter((project) => project.status === status)
    const isFolded = FINISHED.includes(status) && !isArchiveOpen && wanted.length === 0
    return { status, projects, count: isFolded ? passing.filter((project) => project.status === status).length : projects.length, isFolded }
  })
}
