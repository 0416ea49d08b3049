/** What became of one field. `undefined` means that it was not there. */
export interface FieldChange {
  field: string
  before: unknown
  after: unknown
}

/** How a field is best shown. */
export type FieldForm = 'status' | 'priority' | 'percent' | 'money' | 'time' | 'tags' | 'text' | 'line' | 'data'

/** Fields of the row, which no person set. */
const KEPT = new Set(['id', 'updatedAt', 'createdAt'])
const MONEY = new Set(['budget', 'actualCost', 'cost', 'revenue'])
const LONG_TEXT = 80

type Fields = Record<string, unknown>

/** The fields that differ between two states, the named ones of a project first. */
export function fieldChanges(before: Fields | null, after: Fields | null): FieldChange[] {
  const fields = [...new Set([...Object.keys(after ?? {}), ...Object.keys(before ?? {})])]
  return fields
    .filter((field) => !KEPT.has(field))
    .map((field) => ({ field, before: before?.[field], after: after?.[field] }))
    .filter((change) => !equal(change.before, change.after))
}

/** Whether two values of documents are the same; the order of keys says nothing. */
export function equal(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && equal((one as Fields)[key], (other as Fields)[key]))
}

const isTexts = (value: unknown) => value === undefined || value === null || (Array.isArray(value) && value.every((item) => typeof item !== 'object'))

/** How to show what became of a field. */
export function formOf({ field, before, after }: FieldChange): FieldForm {
  const values = [before, after].filter((value) => value !== undefined && value !== null)
  if (field === 'status' || field === 'priority') return values.every((value) => typeof value === 'string') ? field : 'data'
  if (field === 'tags' && isTexts(before) && isTexts(after)) return 'tags'
  if (MONEY.has(field) && values.every((value) => total(value) !== undefined)) return 'money'
  if (field === 'progress') return 'percent'
  if (values.every((value) => typeof value === 'string')) return values.some((value) => value.length > LONG_TEXT || value.includes('\n')) ? 'text' : 'line'
  return values.every((value) => typeof value !== 'object') ? 'line' : 'data'
}

/** The amount in a money field, which is a number or an object around one with nothing else in it. */
export function total(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'object' || value === null) return undefined
  const { total: amount, ...rest } = value as Fields
  return typeof amount === 'number' && Object.keys(rest).length === 0 ? amount : undefined
}

/** Any value as a text: what is none is written as JSON. */
export function text(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}

/** Which tags came and which went; a tag that is there twice counts twice. */
export function tagChanges(before: unknown, after: unknown): { added: string[]; removed: string[] } {
  const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : [])
  const without = (from: string[], what: string[]) => {
    const left = [...what]
    return from.filter((tag) => {
      const index = left.indexOf(tag)
      if (index >= 0) left.splice(index, 1)
      return index < 0
    })
  }
  return { added: without(list(after), list(before)), removed: without(list(before), list(after)) }
}
