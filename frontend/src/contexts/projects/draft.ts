import { tagsIn, totalIn, withTotal } from './fields'
import type { Project, ProjectChange } from './projects.api'
import { read, same } from './projects.store'

/** A field that only this project has. Text is kept as it is typed; anything else is JSON. */
export interface CustomField {
  name: string
  kind: 'text' | 'json'
  value: string
}

/** What a person types into the panel. */
export interface Draft {
  name: string
  description: string
  status: string
  priority: string
  category: string
  progress: number
  tags: string[]
  /** Amounts are kept as they are typed; nothing is 0. */
  budget: string
  cost: string
  revenue: string
  github: string
  workspace: string
  notes: string
  custom: CustomField[]
}

/** Fields that have a place of their own somewhere in the console, or that the server makes. */
const KNOWN = new Set([
  'id', 'name', 'status', 'priority', 'category', 'progress', 'createdAt', 'updatedAt', 'budget', 'actualCost', 'actual_cost', 'cost',
  'revenue', 'description', 'notes', 'tags', 'github', 'workspace', 'orders',
])

/** Names that a further field cannot have. */
export const isTaken = (name: string) => KNOWN.has(name) || name === 'ifUpdatedAt'

const text = (value: unknown) => (typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value))

/** A project as the panel shows it; without one, what a new project starts with. */
export function draftOf(project?: Project): Draft {
  const field = (name: string) => (project ? read(project, name) : undefined)
  return {
    name: project?.name ?? '',
    description: text(field('description')),
    status: project?.status ?? 'planning',
    priority: project?.priority ?? 'medium',
    category: project?.category ?? '',
    progress: project?.progress ?? 0,
    tags: tagsIn(project),
    budget: amountText(project?.budget),
    cost: amountText(totalIn(project?.cost)),
    revenue: amountText(totalIn(project?.revenue)),
    github: text(field('github')),
    workspace: text(field('workspace')),
    notes: text(field('notes')),
    custom: Object.entries(project ?? {}).filter(([name]) => !KNOWN.has(name)).map(([name, value]) => customField(name, value)),
  }
}

const amountText = (value: number | undefined) => (value ? String(value) : '')

/** The amount that was typed, with or without commas; `undefined` if it is none. */
export function amountOf(typed: string): number | undefined {
  const plain = typed.replace(/[,，\s]/g, '')
  return plain === '' ? 0 : /^(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : undefined
}

function customField(name: string, value: unknown): CustomField {
  return typeof value === 'string' ? { name, kind: 'text', value } : { name, kind: 'json', value: JSON.stringify(value ?? null, null, 2) }
}

/** The value of a further field; `undefined` if it is no JSON. */
export function customValue({ kind, value }: CustomField): unknown {
  if (kind === 'text') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return undefined
  }
}

/** What is wrong with the further fields, by their place. */
export function customProblems(custom: CustomField[]): ('json' | 'name' | 'taken' | 'twice' | undefined)[] {
  return custom.map((field, at) => {
    const name = field.name.trim()
    if (name === '') return 'name'
    if (isTaken(name)) return 'taken'
    if (custom.some((other, place) => place < at && other.name.trim() === name)) return 'twice'
    return customValue(field) === undefined ? 'json' : undefined
  })
}

const PLAIN = ['name', 'description', 'status', 'priority', 'progress', 'tags', 'github', 'workspace', 'notes'] as const

/** Only what differs from the project as it was seen; without a project, only what was filled in. */
export function draftChange(draft: Draft, seen?: Project): ProjectChange {
  const before = draftOf(seen)
  const change: Record<string, unknown> = {}
  for (const field of PLAIN) {
    if (!same(draft[field], before[field])) change[field] = field === 'name' ? draft.name.trim() : draft[field]
  }
  if (draft.category.trim() !== before.category) change.category = draft.category.trim() || null
  const isChanged = (field: 'budget' | 'cost' | 'revenue') => amountOf(draft[field]) !== amountOf(before[field])
  if (isChanged('budget')) change.budget = amountOf(draft.budget) ?? draft.budget
  if (isChanged('cost')) change.cost = withTotal(seen?.cost, amountOf(draft.cost) ?? 0)
  if (isChanged('revenue')) change.revenue = withTotal(seen?.revenue, amountOf(draft.revenue) ?? 0)
  for (const field of draft.custom) {
    const [name, value] = [field.name.trim(), customValue(field)]
    const old = seen && Object.hasOwn(seen, name) ? read(seen, name) : undefined
    if (name && value !== undefined && !same(value, old)) change[name] = value
  }
  return change as ProjectChange
}

/**
 * What the panel shows after somebody else saved: their values where nothing was typed, and the typed ones, still as a
 * change of what was seen then, so that saving meets the other change instead of overwriting it.
 */
export function rebased(draft: Draft, seen: Project, newer: Project): { draft: Draft; seen: Project } {
  const mine = draftChange(draft, seen)
  const touched = Object.keys(mine)
  if (touched.length === 0) return { draft: draftOf(newer), seen: newer }
  const old = touched.filter((field) => Object.hasOwn(seen, field)).map((field) => [field, read(seen, field)] as const)
  const next = { ...newer, ...Object.fromEntries(old), updatedAt: seen.updatedAt } as Project
  for (const field of touched) if (!Object.hasOwn(seen, field)) Reflect.deleteProperty(next, field)
  const shown = draftOf(next)
  const kept = Object.fromEntries(Object.keys(shown).filter((field) => touched.includes(field)).map((field) => [field, read(draft, field)]))
  const typed = new Map(draft.custom.filter(({ name }) => touched.includes(name.trim()) || isUnfinished(name, seen)).map((field) => [field.name, field]))
  const custom = shown.custom.map((field) => typed.get(field.name) ?? field)
  const added = [...typed.values()].filter(({ name }) => !shown.custom.some((field) => field.name === name))
  return { draft: { ...shown, ...kept, custom: [...custom, ...added] }, seen: next }
}

const isUnfinished = (name: string, seen: Project) => !Object.hasOwn(seen, name.trim())
