import { canSay, say } from '@/app/i18n'
import { bytes, number } from '@/design/format'
import { spoken } from '@/design/words'

import type { Line } from './ledger.api'

/** What lines name by an id only. */
export interface Names {
  project: (id: string) => string | undefined
  user: (id: string) => string | undefined
  run: (id: string) => { title?: string | null; agentId?: string | null } | undefined
  /** The name of a profile or a capability. */
  entry: (id: string) => string | undefined
  event: (id: string) => { title?: string | null; message?: unknown; type?: string | null; agentId?: string | null } | undefined
}

type Fields = Record<string, unknown>

/** Longer values are not part of a sentence. */
const SHORT = 60
/** Fields that change with every other one. */
const SILENT = new Set(['updatedAt', 'sort_order'])
/** Fields that put something to use, or out of it. */
const SWITCHES = new Set(['enabled', 'isActive'])

/** What a line says, as a sentence in the language of the page. */
export function sentence(line: Line, names: Names): string {
  const values = { actor: actorOf(line, names), subject: subjectOf(line, names), place: placeOf(line, names), ...facts(line, names) }
  for (const path of [`ledger.sentences.${line.operation}.${form(line)}`, `ledger.sentences.${line.operation}`]) {
    if (canSay(path)) return say(path, values).replace(/\s+/g, ' ').trim()
  }
  return say('ledger.sentences.other', { ...values, operation: wordsOf(line.operation) })
}

/** Who did it: a person by name, an agent by what it calls itself. */
export function actorOf(line: Line, names: Names): string {
  if (line.actorKind === 'person') return (line.actorId && names.user(line.actorId)) || say('ledger.actors.person')
  if (line.actorKind === 'agent' || line.actorKind === 'anybody') {
    const agentId = agentOf(line, names)
    if (agentId) return agentId
  }
  const path = `ledger.actors.${line.actorKind}`
  return canSay(path) ? say(path) : line.actorKind
}

function agentOf(line: Line, names: Names): string | undefined {
  const { after } = documents(line)
  if (line.subjectKind === 'run' && typeof after.agentId === 'string') return after.agentId
  const event = line.subjectId && (line.subjectKind === 'event' || line.subjectKind === 'action') ? names.event(line.subjectId) : undefined
  return event?.agentId ?? (line.runId ? names.run(line.runId)?.agentId : undefined) ?? undefined
}

/** A change of one field that fits into the sentence, of several, or none that is worth a word. */
function form(line: Line): string {
  if (line.operation === 'deploy.finished') return String((line.change as Fields).state)
  if (line.operation === 'backup.failed') return line.subjectId ? 'named' : 'plain'
  if (!line.operation.endsWith('.updated')) return hasTitle(line) ? 'named' : 'plain'
  const changed = changedFields(line)
  if (changed.length === 0) return 'touched'
  if (changed.length === 1 && SWITCHES.has(changed[0] ?? '')) return documents(line).after[changed[0] ?? ''] ? 'on' : 'off'
  return changed.length === 1 && isShort(changed[0], line) ? 'field' : 'fields'
}

const hasTitle = (line: Line) => line.operation === 'event.appended' || line.operation === 'action.applied'

function documents(line: Line): { before: Fields; after: Fields } {
  const { before, after } = line.change as { before?: unknown; after?: unknown }
  const fields = (value: unknown) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {})
  return { before: fields(before), after: fields(after) }
}

function changedFields(line: Line): string[] {
  const { before, after } = documents(line)
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((field) => !SILENT.has(field))
}

function isShort(field: string | undefined, line: Line): boolean {
  if (!field) return false
  const { before, after } = documents(line)
  return [before[field], after[field]].every((value) => {
    const text = valueText(field, value, line)
    return text.length <= SHORT && !text.includes('\n') && !(typeof value === 'object' && value !== null && !Array.isArray(value))
  })
}

function facts(line: Line, names: Names): Record<string, string> {
  const { before, after } = documents(line)
  const fields = changedFields(line)
  const [first = ''] = fields
  const change = line.change as Fields
  const event = line.subjectId ? names.event(line.subjectId) : undefined
  const title = event?.title || (typeof event?.message === 'string' ? event.message : '') || event?.type
  return {
    field: fieldName(first, line),
    fields: fields.map((field) => fieldName(field, line)).join(say('ledger.and')),
    before: valueText(first, before[first], line),
    after: valueText(first, after[first], line),
    title: title ? say('ledger.quoted', { text: short(title) }) : say(line.operation === 'action.applied' ? 'ledger.anAction' : 'ledger.anEvent'),
    address: typeof change.address === 'string' ? change.address : '–',
    reason: typeof change.reason === 'string' ? reasonText(change.reason) : '',
    size: typeof change.bytes === 'number' ? bytes(change.bytes) : '–',
    role: roleText(after.role ?? before.role),
    member: String(after.username ?? before.username ?? change.username ?? line.subjectId ?? ''),
    owner: typeof change.userId === 'string' && change.userId !== line.actorId ? say('ledger.owner', { user: names.user(change.userId) ?? say('ledger.actors.person') }) : '',
    exit: typeof change.exitCode === 'number' ? number(change.exitCode) : '–',
  }
}

function reasonText(reason: string): string {
  const path = `ledger.reasons.${reason.replace(/ /g, '_')}`
  return canSay(path) ? say(path) : reason
}

function roleText(role: unknown): string {
  const path = `ledger.roles.${String(role)}`
  return canSay(path) ? say(path) : String(role ?? '–')
}

function subjectOf(line: Line, names: Names): string {
  const { before, after } = documents(line)
  const told = [after.name, after.title, before.name, before.title].find((value) => typeof value === 'string' && value !== '')
  const id = line.subjectId ?? ''
  if (line.subjectKind === 'project') return (id && names.project(id)) || String(told ?? id)
  if (line.subjectKind === 'run') return short(names.run(id)?.title || String(told ?? id))
  if (line.subjectKind === 'user') return (id && names.user(id)) || String(after.username ?? before.username ?? (line.change as Fields).username ?? say('ledger.actors.person'))
  return short((id && names.entry(id)) || String(told ?? id))
}

function placeOf(line: Line, names: Names): string {
  if (!line.projectId || line.subjectKind === 'project') return ''
  return say('ledger.place', { project: names.project(line.projectId) ?? line.projectId })
}

function fieldName(field: string, line: Line): string {
  const context = { run: 'runs', profile: 'profiles.fields', capability: 'capabilities.fields', project: 'projects.fields' }[line.subjectKind]
  const known = [`${context}.${field}`, `ledger.fields.${field}`].find(canSay)
  return known ? say(known) : field
}

function valueText(field: string, value: unknown, line: Line): string {
  if (value === null || value === undefined || value === '') return say('design.none')
  if (typeof value === 'boolean') return say(value ? 'design.yes' : 'design.no')
  if (Array.isArray(value)) return value.length > 0 ? value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join(', ') : say('design.none')
  if (typeof value === 'number') return field === 'progress' ? `${number(value)}%` : number(value, 4)
  if (typeof value !== 'string') return JSON.stringify(value)
  if (field === 'role') return roleText(value)
  if (field === 'status') return spoken(line.subjectKind === 'run' ? 'run' : 'status', value)
  return field === 'priority' ? spoken('priority', value) : value
}

const short = (text: string) => (text.length > SHORT ? `${text.slice(0, SHORT)}…` : text)

/** `task.lease_expired` as `task lease expired`. */
const wordsOf = (operation: string) => operation.replace(/[._]/g, ' ')
