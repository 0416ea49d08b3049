import { api, unwrap, type Schemas } from '@/api/client'

export type Run = Schemas['RunView']
export type Proposal = Schemas['ProposalView']
export type Line = Schemas['LineView']

/** How many runs the overview draws; more than that nobody tells apart. */
const MOST_RUNS = 500

export const runningRuns = async (signal: AbortSignal) =>
  unwrap(api.GET('/api/agent/runs', { params: { query: { status: 'running', limit: 100 } }, signal }))

export const newestRuns = async (signal: AbortSignal) =>
  (await unwrap(api.GET('/api/agent/runs', { params: { query: { limit: MOST_RUNS } }, signal }))).data

export const pendingProposals = async (signal: AbortSignal) =>
  (await unwrap(api.GET('/api/agent/proposals', { params: { query: { pending: true, limit: 50 } }, signal }))).data

export const acceptProposal = (id: string) =>
  unwrap(api.POST('/api/agent/proposals/{id}/accept', { params: { path: { id } }, body: {} }))

export const rejectProposal = (id: string, reason?: string) =>
  unwrap(api.POST('/api/agent/proposals/{id}/reject', { params: { path: { id } }, body: { reason } }))

/** The lines after `since`, oldest first, and the newest line there is. */
export const linesSince = async (since: number, signal: AbortSignal) =>
  unwrap(api.GET('/api/ledger', { params: { query: { since, limit: 500 } }, signal }))

/** What was used from `since` on, until before `until`. */
export const used = async (since: string, until: string | undefined, signal: AbortSignal) =>
  (await unwrap(api.GET('/api/stats/tokens', { params: { query: { since, until } }, signal }))).data
