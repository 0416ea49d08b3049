/** How a field is edited. */
export type FieldKind = 'line' | 'text' | 'prompt' | 'list' | 'object' | 'choice'

/** A field of an entry, as a person meets it. */
export interface Field {
  name: string
  kind: FieldKind
  label: string
  help?: string
  /** Words that are usual; others are allowed. */
  words?: string[]
}

/** What all entries of a catalogue have. */
export interface Entry {
  id: string
  name: string
  enabled: boolean
  createdAt: string
  updatedAt: string
}

/** The way to a catalogue on the server. */
export interface Source<E extends Entry = Entry> {
  list: (signal: AbortSignal) => Promise<E[]>
  create: (body: Record<string, unknown>) => Promise<E>
  change: (id: string, body: Record<string, unknown>) => Promise<E>
  remove: (id: string) => Promise<unknown>
}

/** What a person edits: texts, lists of texts; objects as their JSON. */
export type Draft = Record<string, string | string[] | boolean>

/** What is to be sent, and which fields cannot be. */
export interface Difference {
  change: Record<string, unknown>
  /** Names of fields whose text is not a JSON object. */
  invalid: string[]
}

const shown = (value: unknown) => (typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value))

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const raw = (entry: object | undefined, name: string) => (entry as Record<string, unknown> | undefined)?.[name]

/** An entry, or the beginning of a new one, as it is edited. */
export function draftOf(entry: object | undefined, fields: Field[]): Draft {
  const draft: Draft = { id: shown(raw(entry, 'id')), enabled: raw(entry, 'enabled') !== false }
  for (const { name, kind } of fields) {
    const value = raw(entry, name)
    if (kind === 'list') draft[name] = Array.isArray(value) ? value.map(shown) : []
    else if (kind === 'object') draft[name] = isObject(value) && Object.keys(value).length > 0 ? JSON.stringify(value, null, 2) : ''
    else draft[name] = shown(value)
  }
  return draft
}

/** The object that a text is, or undefined if it is none. Nothing is the empty object. */
export function objectOf(text: string): Record<string, unknown> | undefined {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * What changed between two drafts, as the server takes it. Fields that nobody touched are not in it: what they hold may not
 * survive the form (numbers in a list of texts), and somebody else may have changed them meanwhile.
 */
export function difference(before: Draft, after: Draft, fields: Field[], entry?: object): Difference {
  const change: Record<string, unknown> = {}
  const invalid: string[] = []
  if (before.enabled !== after.enabled) change.enabled = after.enabled
  for (const { name, kind } of fields) {
    const value = after[name]
    if (JSON.stringify(before[name]) === JSON.stringify(value)) continue
    if (kind === 'object') {
      const object = objectOf(String(value))
      if (object) change[name] = object
      else invalid.push(name)
    } else if (kind === 'list') {
      const known = raw(entry, name)
      const items: unknown[] = Array.isArray(known) ? known : []
      change[name] = (value as string[]).map((text) => items.find((item) => shown(item) === text) ?? text)
    } else {
      change[name] = value
    }
  }
  return { change, invalid }
}

/** Names of the fields that others changed since an entry was opened. */
export function changedMeanwhile(seen: object, now: object | undefined, fields: Field[]): string[] {
  if (!now) return []
  return fields.flatMap(({ name }) => (JSON.stringify(raw(seen, name)) === JSON.stringify(raw(now, name)) ? [] : [name]))
}

/** Whether an entry has a text in its name, id, or any field. */
export function hasText(entry: Entry, fields: Field[], text: string): boolean {
  const sought = text.trim().toLowerCase()
  const texts = [entry.id, entry.name, ...fields.map(({ name }) => shown(raw(entry, name)))]
  return sought === '' || texts.some((value) => value.toLowerCase().includes(sought))
}
