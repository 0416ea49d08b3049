import type { Run } from './runs.api'
import { isFinal } from './stalled'

/** The tokens of a run: what it reported as its usage, or a figure among its metrics; undefined if it said nothing. */
export function tokensOf(run: Run): number | undefined {
  return positive(run.usage?.totalTokens) ?? sum(run.usage?.inputTokens, run.usage?.outputTokens) ?? positive(metric(run, 'tokens')) ?? positive(metric(run, 'totalTokens'))
}

/** What a run cost, if it said so. */
export function costOf(run: Run): number | undefined {
  return positive(run.usage?.cost) ?? positive(metric(run, 'cost'))
}

/** How long a run took, or takes until `now`, in milliseconds. A run that is over and does not say when has no duration. */
export function durationOf(run: Run, now: number): number | undefined {
  const begin = time(run.startedAt ?? run.createdAt)
  const end = time(run.finishedAt) ?? (isFinal(run) ? undefined : now)
  return begin === undefined || end === undefined ? undefined : Math.max(0, end - begin)
}

function metric(run: Run, name: string): unknown {
  const metrics: unknown = run.metrics
  return typeof metrics === 'object' && metrics !== null ? (metrics as Record<string, unknown>)[name] : undefined
}

const positive = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined)

const sum = (left: unknown, right: unknown) => {
  const parts = [positive(left), positive(right)].filter((part) => part !== undefined)
  return parts.length > 0 ? parts.reduce((total, part) => total + part, 0) : undefined
}

const time = (text: string | null | undefined) => {
  const at = text ? new Date(text).getTime() : Number.NaN
  return Number.isNaN(at) ? undefined : at
}
