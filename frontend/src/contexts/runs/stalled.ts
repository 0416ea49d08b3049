/** Status words after which nothing more is expected of a run. */
export const FINAL = new Set(['success', 'completed', 'failed', 'error', 'cancelled', 'canceled', 'done', 'finished', 'skipped', 'timeout'])

/** Whether a run that is not over gave no sign of life for so many minutes. */
export function isStalled(run: { status: string | null; updatedAt: string | null }, sign: string | null | undefined, now: number, minutes: number): boolean {
  if (run.status && FINAL.has(run.status)) return false
  const last = Math.max(Date.parse(sign ?? '') || 0, Date.parse(run.updatedAt ?? '') || 0)
  return last > 0 && now - last > minutes * 60_000
}
