import { PRIORITIES, PROJECT_STATUSES } from '@/design/words'

import { tagsIn } from './fields'
import { projectMoney } from './money'
import type { Project } from './projects.api'

/** What projects can be sorted by; the manual order is that of the server. */
export const SORTS = ['manual', 'name', 'status', 'priority', 'category', 'progress', 'tags', 'budget', 'spent', 'earned', 'updated'] as const

/** One of {@link SORTS}. */
export type SortKey = (typeof SORTS)[number]

/** An order, such as `-updated` for the newest first. */
export interface Sort {
  key: SortKey
  isDescending: boolean
}

/** Orders that a person wants the other way round first: the most, the newest. */
const LARGEST_FIRST = new Set<SortKey>(['progress', 'budget', 'spent', 'earned', 'updated'])

/** The order of the first click on a column. */
export const sortOf = (key: SortKey): Sort => ({ key, isDescending: LARGEST_FIRST.has(key) })

/** The order as it stands in an address. */
export const sortText = ({ key, isDescending }: Sort) => (isDescending ? `-${key}` : key)

/** The order that {@link sortText} wrote; the manual one for anything else. */
export function sortFrom(text: unknown): Sort {
  const [, minus, name] = /^(-?)(\w+)$/.exec(typeof text === 'string' ? text : '') ?? []
  const key = SORTS.find((known) => known === name) ?? 'manual'
  return { key, isDescending: minus === '-' && key !== 'manual' }
}

/** Words of others come after all that we know. */
const place = (words: string[], word: string) => (words.includes(word) ? words.indexOf(word) : words.length)

const texts = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

/** Nothing comes last in ascending order. */
const compareTexts = (left: string, right: string) => (left === '' || right === '' ? Number(left === '') - Number(right === '') : texts.compare(left, right))

const COMPARE: Record<Exclude<SortKey, 'manual'>, (left: Project, right: Project) => number> = {
  name: (left, right) => compareTexts(left.name, right.name),
  status: (left, right) => place(PROJECT_STATUSES, left.status) - place(PROJECT_STATUSES, right.status) || compareTexts(left.status, right.status),
  priority: (left, right) => place(PRIORITIES, left.priority) - place(PRIORITIES, right.priority) || compareTexts(left.priority, right.priority),
  category: (left, right) => compareTexts(left.category ?? '', right.category ?? ''),
  progress: (left, right) => left.progress - right.progress,
  tags: (left, right) => compareTexts(tagsIn(left).join(' '), tagsIn(right).join(' ')),
  budget: (left, right) => left.budget - right.budget,
  spent: (left, right) => projectMoney(left).spent - projectMoney(right).spent,
  earned: (left, right) => projectMoney(left).earned - projectMoney(right).earned,
  updated: (left, right) => (left.updatedAt < right.updatedAt ? -1 : Number(left.updatedAt > right.updatedAt)),
}

/** The projects in this order; those that are equal stay as they were put by hand. */
export function sorted(projects: Project[], { key, isDescending }: Sort): Project[] {
  if (key === 'manual') return projects
  const compare = COMPARE[key]
  return [...projects].sort((left, right) => (isDescending ? -compare(left, right) : compare(left, right)))
}

/** `all` with those of `wanted` in that order, on the places that they have together; all others keep theirs. */
export function permuted(all: string[], wanted: string[]): string[] {
  const known = new Set(all)
  const queue = [...new Set(wanted)].filter((id) => known.has(id))
  const moving = new Set(queue)
  let next = 0
  return all.map((id) => (moving.has(id) ? (queue[next++] ?? id) : id))
}

/** `ids` with `id` taken out and put before or after another one; unchanged if that is not there. */
export function placed(ids: string[], id: string, target: { before?: string; after?: string }): string[] {
  const rest = ids.filter((other) => other !== id)
  const at = target.before !== undefined ? rest.indexOf(target.before) : rest.indexOf(target.after ?? '') + 1
  const isKnown = target.before !== undefined ? at >= 0 : at > 0
  return isKnown && ids.includes(id) ? rest.toSpliced(at, 0, id) : ids
}
