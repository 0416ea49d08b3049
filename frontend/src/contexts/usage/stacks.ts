import type { Schemas } from '@/api/client'

import type { Sums } from './usage.api'

/** Keys that get a colour of their own; the smaller ones share the last. */
const MOST = 7

/** One colour of a stacked chart. */
export interface Stack {
  /** `undefined` is what the smaller ones have together. */
  key: string | undefined
  values: number[]
}

/** Rows of days and keys as stacks over `days`, the largest first. */
export function stacked(rows: Schemas['SeriesSumView'][], days: string[], value: (sums: Sums) => number): Stack[] {
  const totals = new Map<string, number>()
  for (const row of rows) totals.set(row.key, (totals.get(row.key) ?? 0) + value(row))
  const largest = [...totals].sort(([, one], [, other]) => other - one).map(([key]) => key)
  const own = new Set(largest.length > MOST + 1 ? largest.slice(0, MOST) : largest)
  const place = new Map(days.map((day, index) => [day, index]))
  const stacks = new Map<string | undefined, number[]>()
  for (const row of rows) {
    const index = place.get(row.day)
    if (index === undefined) continue
    const key = own.has(row.key) ? row.key : undefined
    const values = stacks.get(key) ?? days.map(() => 0)
    values[index] = (values[index] ?? 0) + value(row)
    stacks.set(key, values)
  }
  const order = (key: string | undefined) => (key === undefined ? largest.length : largest.indexOf(key))
  return [...stacks].map(([key, values]) => ({ key, values })).sort((one, other) => order(one.key) - order(other.key))
}
