import { api, unwrap, type Schemas } from '@/api/client'

/** A line of the ledger. */
export type Line = Schemas['LineView']

/** The key that signs checkpoints, and the last of them. */
export type LedgerKey = Schemas['LedgerKeyView']

/** What the server can narrow the ledger by. */
export interface LineFilter {
  projectId?: string
  subjectId?: string
  /** Any of these; all when empty. */
  operations: readonly string[]
}

/** A stretch of the ledger, newest first. */
export interface Stretch {
  lines: Line[]
  /** Where to read on with the older ones; null at the beginning of the ledger. */
  before: number | null
}

/** Where the whole ledger can be downloaded. */
export const EXPORT_ADDRESS = '/api/ledger/export'

async function page(filter: LineFilter, operation: string | undefined, before: number | undefined, limit: number, signal?: AbortSignal) {
  const query = { projectId: filter.projectId || undefined, subjectId: filter.subjectId || undefined, operation, before, limit }
  return (await unwrap(api.GET('/api/ledger', { params: { query }, signal }))).data
}

/**
 * The newest lines before a place. The server knows one operation at a time: each is asked for, and of what comes only the
 * part is taken that all answers reach down to.
 */
export async function listLines(filter: LineFilter, before: number | undefined, limit: number, signal?: AbortSignal): Promise<Stretch> {
  const operations = filter.operations.length > 0 ? filter.operations : [undefined]
  const answers = await Promise.all(operations.map((operation) => page(filter, operation, before, limit, signal)))
  const floors = answers.flatMap((lines) => (lines.length >= limit && lines[0] ? [lines[0].seq] : []))
  const floor = Math.max(0, ...floors)
  const lines = answers.flat().filter(({ seq }) => seq >= floor).sort((left, right) => right.seq - left.seq)
  return { lines, before: floors.length > 0 ? floor : null }
}

export const getLedgerKey = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/ledger/key', { signal }))).data

/** What a verification found. */
export type Verification = Schemas['VerificationView']

/** Verifies the whole ledger; the answer comes when it is done. */
export const verifyLedger = async () => (await unwrap(api.POST('/api/ledger/verification'))).data

/** The last verification, and how far the present one is. */
export const getVerification = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/ledger/verification', { signal }))).data
