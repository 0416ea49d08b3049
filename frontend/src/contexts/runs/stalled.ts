import type { Run } from './run.api'

const FINAL = new Set(['success', 'succeeded', 'completed', 'done', 'failed', 'error', 'cancelled', 'canceled', 'aborted', 'timeout'])
const MINUTE_MS = 60_000

/** Whether a run is over: its status says so, or it has an end. */
export const isOver = (run: Pick<Run, 'status' | 'finishedAt'>) => FINAL.has((run.status ?? '').toLowerCase()) || Boolean(run.finishedAt)

/** Whether a run that should be working has given no sign of life for `minutes`. What waits in a queue owes none. */
export function isStalled(run: Pick<Run, 'status' | 'finishedAt' | 'updatedAt' | 'startedAt'>, sign: string | null | undefined, now: number, minutes: number): boolean {
  if (isOver(run) || run.status === 'queued') return false
  const last = Date.parse(sign ?? run.updatedAt ?? run.startedAt ?? '')
  return !Number.isNaN(last) && now - last >= minutes * MINUTE_MS
}
