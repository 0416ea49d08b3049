import type { Run } from '@/contexts/runs/runs.api'

import { runOf, type Entry } from './timeline'

/** A line of the list: a day, the entries of one run on a day, or a single entry. */
export type Row =
  | { kind: 'day'; key: string; day: string }
  | { kind: 'group'; key: string; ts: string; runId: string; run: Run | undefined; entries: Entry[] }
  | { kind: 'entry'; key: string; entry: Entry; isNested: boolean }

/** Times of one minute are of one day; there are many times and few minutes. */
const days = new Map<string, string>()
const MINUTE_LENGTH = 16
const MOST_MINUTES = 50_000

/** The day of a time in the time zone of the browser, as `2026-02-11`; empty where the time is none. */
export function dayOf(ts: string): string {
  const minute = ts.slice(0, MINUTE_LENGTH)
  const known = ts.endsWith('Z') ? days.get(minute) : undefined
  if (known !== undefined) return known
  const day = calculated(ts)
  if (days.size > MOST_MINUTES) days.clear()
  if (ts.endsWith('Z')) days.set(minute, day)
  return day
}

function calculated(ts: string): string {
  const at = new Date(ts)
  if (Number.isNaN(at.getTime())) return ''
  const two = (value: number) => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

interface Arrangement {
  /** Whether the entries of one run stand together. */
  isGrouped: boolean
  isOpen: (group: string) => boolean
  run: (id: string) => Run | undefined
}

type Group = Extract<Row, { kind: 'group' }>

/** The lines of a list of entries that are sorted newest first. A run stands where its newest entry of the day is. */
export function rows(entries: Entry[], { isGrouped, isOpen, run }: Arrangement): Row[] {
  const result: Row[] = []
  let day: string | undefined
  let groups = new Map<string, Group>()
  const arranged: Row[] = []
  for (const entry of entries) {
    const today = dayOf(entry.ts)
    if (today !== day) {
      day = today
      groups = new Map()
      arranged.push({ kind: 'day', key: `day ${today}`, day: today })
    }
    const runId = isGrouped ? runOf(entry) : null
    if (runId === null) {
      arranged.push({ kind: 'entry', key: entry.key, entry, isNested: false })
      continue
    }
    let group = groups.get(runId)
    if (!group) {
      group = { kind: 'group', key: `group ${today} ${runId}`, ts: entry.ts, runId, run: run(runId), entries: [] }
      groups.set(runId, group)
      arranged.push(group)
    }
    if (entry.kind === 'run') group.run = entry.run
    else group.entries.push(entry)
  }
  for (const row of arranged) {
    const only = row.kind === 'group' && !row.run && row.entries.length === 1 ? row.entries[0] : undefined
    if (only) {
      result.push({ kind: 'entry', key: only.key, entry: only, isNested: false })
      continue
    }
    result.push(row)
    if (row.kind === 'group' && isOpen(row.key)) row.entries.forEach((entry) => result.push({ kind: 'entry', key: entry.key, entry, isNested: true }))
  }
  return result
}
