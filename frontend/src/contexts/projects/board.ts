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

/** The columns: all statuses that we know, and those that others made up and that occur. */
export function columnsOf(shown: Project[], all: Project[], isArchiveOpen: boolean): Column[] {
  const other = [...new Set(all.map(({ status }) => status))].filter((status) => !PROJECT_STATUSES.includes(status)).sort()
  const [open, done] = [PROJECT_STATUSES.filter((status) => !FINISHED.includes(status)), FINISHED]
  return [...open, ...other, ...done].map((status) => {
    const projects = shown.filter((project) => project.status === status)
    const isFolded = FINISHED.includes(status) && !isArchiveOpen && projects.length === 0
    return { status, projects, count: isFolded ? all.filter((project) => project.status === status).length : projects.length, isFolded }
  })
}
