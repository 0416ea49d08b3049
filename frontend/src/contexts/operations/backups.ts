import type { Tone } from '@/design/words'

import type { Backup, Backups, UnderWay } from './operations.api'

/** What is known of a backup: whether it was restored once and held. */
export type Proof = 'proved' | 'unproved' | 'failed' | 'rotten'

interface Look {
  tone: Tone
  icon: string
}

const LOOKS: Record<Proof, Look> = {
  proved: { tone: 'success', icon: 'i-lucide-shield-check' },
  unproved: { tone: 'neutral', icon: 'i-lucide-shield-question-mark' },
  failed: { tone: 'error', icon: 'i-lucide-shield-x' },
  rotten: { tone: 'error', icon: 'i-lucide-file-x' },
}

/** The state of a backup; what a newer server says is not proven for us. */
export const proofOf = ({ state }: Pick<Backup, 'state'>): Proof => (state in LOOKS ? (state as Proof) : 'unproved')

/** How a backup's state looks. */
export const lookOf = (backup: Pick<Backup, 'state'>): Look => LOOKS[proofOf(backup)]

/** Why a backup cannot be relied on, in the server's words. */
export function reasonOf(backup: Backup): string | undefined {
  const state = proofOf(backup)
  if (state === 'rotten') return backup.check?.reason ?? undefined
  return state === 'failed' ? (backup.proofs[0]?.reason ?? undefined) : undefined
}

/** What an administrator must look at, the worst first. */
export interface Trouble {
  kind: 'full' | 'alert' | 'rotten' | 'failed' | 'overdue'
  /** Since when, or of when. */
  at: string
  reason?: string
  backup?: Backup
}

/** A backup is late when it is this much past its time, in milliseconds; making one takes a while. */
const LATE_MS = 15 * 60_000

/** What is wrong with the backups. */
export function troublesOf({ alert, backups, nextDueAt, underWay }: Backups, now: number): Trouble[] {
  const found: Trouble[] = []
  if (alert) found.push({ kind: alert.isFull ? 'full' : 'alert', at: alert.at, reason: alert.reason })
  for (const backup of backups) {
    const kind = proofOf(backup)
    if (kind === 'rotten' || kind === 'failed') found.push({ kind, at: backup.check?.at ?? backup.proofs[0]?.at ?? backup.madeAt, reason: reasonOf(backup), backup })
  }
  const isLate = nextDueAt !== null && now - Date.parse(nextDueAt) > LATE_MS
  if (isLate && !alert && underWay.length === 0) found.push({ kind: 'overdue', at: nextDueAt })
  return found
}

/** How much of a phase is done (0 to 100); null where nobody knows. */
export function shareOf({ done, total }: Pick<UnderWay, 'done' | 'total'>): number | null {
  return total ? Math.min(100, Math.floor((done / total) * 100)) : null
}

/** Whether a phase counts lines of the ledger rather than bytes. */
export const countsLines = ({ phase }: Pick<UnderWay, 'phase'>): boolean => phase === 'verifying'

/** When a file was made, as its name tells if PilotDeck gave it; a copy has another date. */
export function madeAtOf(fileName: string): string | undefined {
  const found = /pm_backup_(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z/.exec(fileName)
  if (!found) return undefined
  const [, year, month, day, hour, minute, second] = found
  const time = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`
  return Number.isNaN(Date.parse(time)) ? undefined : time
}

/** Whether what was typed are the words that were asked for. */
export const saysSo = (typed: string, word: string): boolean => typed.trim().toLowerCase() === word
