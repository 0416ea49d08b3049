import type { Project } from './projects.api'

/**
 * Fields of a project as pages need them. Databases of older versions hold whatever clients sent: a text where there
 * should be a list, a number where there should be an object. What is shown is made of that; what is stored stays.
 */

/** Tags out of a text, parted by commas of either script. */
export const tagsOf = (text: string): string[] => [...new Set(text.split(/[,，、]/).map((tag) => tag.trim()).filter(Boolean))]

/** The tags of a project. */
export function tagsIn(project: Pick<Project, 'tags'> | undefined): string[] {
  const tags: unknown = project?.tags
  if (typeof tags === 'string') return tagsOf(tags)
  return Array.isArray(tags) ? tags.filter((tag) => tag !== null).map((tag) => (typeof tag === 'object' ? JSON.stringify(tag) : String(tag))) : []
}

/** The amount of a field such as `cost`: in its `total`, or the field itself. */
export function totalIn(money: unknown): number {
  const total: unknown = isObject(money) ? money.total : money
  const amount = typeof total === 'string' && total.trim() !== '' ? Number(total) : total
  return typeof amount === 'number' && Number.isFinite(amount) ? amount : 0
}

/** A field such as `cost` with another total; what else stands in it stays. */
export const withTotal = (money: unknown, total: number) => ({ ...(isObject(money) ? money : {}), total })

/** Whether it is an object with fields of its own. */
export const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
