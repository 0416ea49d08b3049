import { api, unwrap, type Schemas } from '@/api/client'

/** What records add up to. */
export type Sums = Schemas['TokenSumView']

/** Statistics of usage, by everything. */
export type UsageStats = Schemas['TokenStatsView']

/** What statistics can be grouped by, day by day. */
export const DIMENSIONS = ['model', 'project', 'agent', 'workspace', 'source'] as const

/** One of {@link DIMENSIONS}. */
export type Dimension = (typeof DIMENSIONS)[number]

/** What is counted; absent is everything. Times are inclusive. */
export interface UsageFilter {
  since?: string
  until?: string
  projectId?: string
  agentId?: string
  workspace?: string
  source?: string
  model?: string
}

export const getUsageStats = async (filter: UsageFilter, series: Dimension | undefined, signal: AbortSignal) =>
  (await unwrap(api.GET('/api/stats/tokens', { params: { query: { ...filter, series } }, signal }))).data
