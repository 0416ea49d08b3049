import type { Change } from '@/contexts/history/history.api'
import type { Run } from '@/contexts/runs/runs.api'

import type { Happening } from './events.api'

/** One thing on a timeline. `ts` is empty where an older database did not say when. */
export type Entry = { key: string; ts: string } & (
  | { kind: 'run'; run: Run }
  | { kind: 'event' | 'action'; event: Happening }
  | { kind: 'change'; change: Change }
)

/** What was read of one kind of entries, newest first, and whether there are older ones. */
export interface Stretch {
  entries: Entry[]
  isComplete: boolean
}

const ACTION = 'action.'

export const ofRun = (run: Run): Entry => ({ kind: 'run', key: `run ${run.id}`, ts: run.createdAt ?? '', run })

export const ofEvent = (event: Happening): Entry => ({
  kind: event.type.startsWith(ACTION) ? 'action' : 'event',
  key: `event ${event.id}`,
  ts: event.ts ?? '',
  event,
})

export const ofChange = (change: Change): Entry => ({ kind: 'change', key: `change ${change.seq}`, ts: change.ts, change })

/** Newest first; what happened at the same moment has an order, too. */
export function newestFirst(one: Entry, other: Entry): number {
  if (one.ts !== other.ts) return one.ts > other.ts ? -1 : 1
  return one.key === other.key ? 0 : one.key > other.key ? -1 : 1
}

/** `known` with `incoming` in it: what has the same key is replaced, the rest put where it belongs. */
export function together(known: Entry[], incoming: Entry[]): Entry[] {
  const fresh = new Map(incoming.map((entry) => [entry.key, entry]))
  const kept = known.filter(({ key }) => !fresh.has(key))
  return zip([kept, [...fresh.values()].sort(newestFirst)])
}

/** Sorted lists in one; nearly always one of them is long and the others short or wholly newer. */
function zip(given: Entry[][]): Entry[] {
  const lists = given.filter(({ length }) => length > 0)
  const [first, second] = lists
  if (!first || !second) return first ?? []
  if (lists.length === 2 && precedes(first, second)) return [...first, ...second]
  if (lists.length === 2 && precedes(second, first)) return [...second, ...first]
  const places = lists.map(() => 0)
  const result: Entry[] = []
  for (;;) {
    let best = -1
    let next: Entry | undefined
    for (let index = 0; index < lists.length; index++) {
      const entry = lists[index]?.[places[index] ?? 0]
      if (!entry || (next && newestFirst(entry, next) >= 0)) continue
      best = index
      next = entry
    }
    if (!next) return result
    result.push(next)
    places[best] = (places[best] ?? 0) + 1
  }
}

function precedes(one: Entry[], other: Entry[]): boolean {
  const [last, first] = [one[one.length - 1], other[0]]
  return last !== undefined && first !== undefined && newestFirst(last, first) < 0
}

const oldest = ({ entries }: Stretch) => entries[entries.length - 1]?.ts

/** The stretch that must be read on before anything older can be shown; none when all are read to their end. */
export function shortest(stretches: Stretch[]): Stretch | undefined {
  const open = stretches.filter(({ isComplete }) => !isComplete)
  return open.find((stretch) => oldest(stretch) === undefined) ?? open.reduce<Stretch | undefined>((short, stretch) => (!short || (oldest(stretch) ?? '') > (oldest(short) ?? '') ? stretch : short), undefined)
}

/** One sequence, newest first, as far back as every stretch tells: an older entry could have an unread one before it. */
export function merged(stretches: Stretch[]): Entry[] {
  const short = shortest(stretches)
  const all = zip(stretches.map(({ entries }) => entries))
  if (!short) return all
  const end = oldest(short)
  if (end === undefined) return []
  const beyond = all.findIndex(({ ts }) => ts < end)
  return beyond < 0 ? all : all.slice(0, beyond)
}

/** Without the changes that an action on the same timeline tells of already. */
export function folded(entries: Entry[]): Entry[] {
  const actions = new Set(entries.flatMap((entry) => (entry.kind === 'action' ? [entry.event.id] : [])))
  return entries.filter((entry) => entry.kind !== 'change' || !actions.has(entry.change.action?.id ?? null))
}

/** The agent or person behind an entry. */
export function actorOf(entry: Entry): string | null {
  if (entry.kind === 'run') return entry.run.agentId
  if (entry.kind === 'change') return entry.change.action?.agentId ?? entry.change.actor.name ?? null
  return entry.event.agentId
}

/** The run that an entry belongs to. */
export function runOf(entry: Entry): string | null {
  if (entry.kind === 'run') return entry.run.id
  return entry.kind === 'change' ? (entry.change.action?.runId ?? null) : entry.event.runId
}
