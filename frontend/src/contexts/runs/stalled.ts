import { remembered } from '@/app/remembered'

import type { Run } from './runs.api'

/** The words of a run that is over, as the server takes them; any other is work that goes on. */
export const FINAL: ReadonlySet<string> = new Set([
  'success', 'succeeded', 'successful', 'completed', 'complete', 'done', 'finished',
  'failed', 'failure', 'error', 'errored',
  'cancelled', 'canceled', 'aborted', 'stopped', 'killed', 'interrupted', 'timeout', 'timed-out', 'rejected', 'skipped',
])

const MINUTE_MS = 60_000
const MINUTES = 15

/** After how many minutes without a sign of life a run counts as stalled; the same on all pages. */
export const stalledMinutes = remembered('stalledMinutes', MINUTES, (minutes) => minutes >= 1)

/** Whether a run is over. */
export const isFinal = (run: Pick<Run, 'status'>): boolean => FINAL.has((run.status ?? '').trim().toLowerCase().replace(/[_ ]/g, '-'))

/** What is known of when a run did something. */
type Times = Partial<Pick<Run, 'updatedAt' | 'startedAt' | 'createdAt'>>

/** The last sign of life that is known of a run: what others heard of it, or its own last change, whichever is later. */
export function lastSign(run: Times, heard: string | null | undefined): string | null {
  const times = [heard, run.updatedAt ?? run.startedAt ?? run.createdAt].filter((time): time is string => Boolean(time))
  return times.sort((left, right) => moment(right) - moment(left))[0] ?? null
}

const moment = (time: string) => {
  const at = new Date(time).getTime()
  return Number.isNaN(at) ? -Infinity : at
}

/** Whether a run that is not over gave no sign of life for `minutes`. One of which no time is known is not called so. */
export function isStalled(run: Pick<Run, 'status'> & Times, sign: string | null | undefined, now: number, minutes: number): boolean {
  const last = lastSign(run, sign)
  if (isFinal(run) || !last) return false
  return now - moment(last) >= minutes * MINUTE_MS && Number.isFinite(moment(last))
}
