import type { LocationQuery, LocationQueryRaw } from 'vue-router'

import { tagsIn } from './fields'
import type { Project } from './projects.api'

/** Status words of projects that nobody works on any more. */
export const FINISHED = ['completed', 'cancelled']

/** Which projects are shown. Of each list one must match; an empty list lets everything through. */
export interface Filters {
  status: string[]
  priority: string[]
  /** The empty text stands for projects without one. */
  category: string[]
  tag: string[]
  text: string
  /** Whether finished projects are shown, too. */
  archive: boolean
}

const LISTS = ['status', 'priority', 'category', 'tag'] as const

/** The filters of an address. */
export function filtersFrom(query: LocationQuery): Filters {
  const list = (name: string) => [query[name] ?? []].flat().map((value) => value ?? '')
  const [text] = list('q')
  return {
    status: list('status'),
    priority: list('priority'),
    category: list('category'),
    tag: list('tag'),
    text: text ?? '',
    archive: list('archive').includes('1'),
  }
}

/** The filters as they stand in an address; what is not set is not there. */
export function filtersQuery(filters: Filters): LocationQueryRaw {
  const lists = LISTS.filter((name) => filters[name].length > 0).map((name) => [name, filters[name]] as const)
  return {
    ...Object.fromEntries(lists),
    ...(filters.text.trim() && { q: filters.text }),
    ...(filters.archive && { archive: '1' }),
  }
}

/** How many projects have each value that can be filtered for; the finished ones are among them. */
export function countsOf(projects: Project[]): Record<(typeof LISTS)[number], Map<string, number>> {
  const count = (pick: (project: Project) => string[]) => {
    const counts = new Map<string, number>()
    for (const value of projects.flatMap((project) => [...new Set(pick(project))])) counts.set(value, (counts.get(value) ?? 0) + 1)
    return counts
  }
  return {
    status: count(({ status }) => [status]),
    priority: count(({ priority }) => [priority]),
    category: count(({ category }) => [category ?? '']),
    tag: count(tagsIn),
  }
}

/** Whether anything is filtered; the archive is no filter. */
export const isFiltered = (filters: Filters) => filters.text.trim() !== '' || LISTS.some((name) => filters[name].length > 0)

/** Whether nobody works on it any more. */
export const isFinished = (project: Project) => FINISHED.includes(project.status)

const holds = (wanted: string[], value: string) => wanted.length === 0 || wanted.includes(value)

/** Whether a project passes the filters, leaving the archive aside. */
export function passes(project: Project, filters: Filters): boolean {
  return (
    holds(filters.status, project.status) &&
    holds(filters.priority, project.priority) &&
    holds(filters.category, project.category ?? '') &&
    (filters.tag.length === 0 || filters.tag.some((tag) => tagsIn(project).includes(tag))) &&
    finds(project, filters.text)
  )
}

/** Every word of the text must be in the name, the description, the notes or the id. */
function finds(project: Project, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const document = [project.name, project.description, project.notes, project.id].join('\n').toLowerCase()
  return words.every((word) => document.includes(word))
}

/** Whether a finished project is shown: with the archive, or where its status was asked for by name. */
export const isShown = (project: Project, filters: Filters) => filters.archive || !isFinished(project) || filters.status.includes(project.status)

/** The projects that pass, those of them that are shown, and how many finished ones would be, too. */
export function filtered(projects: Project[], filters: Filters) {
  const passing = projects.filter((project) => passes(project, filters))
  const shown = passing.filter((project) => isShown(project, filters))
  return { passing, shown, hidden: passing.length - shown.length }
}
