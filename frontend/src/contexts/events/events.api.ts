import { api, unwrap, type Schemas } from '@/api/client'

/** Something that happened, as the server keeps it. */
export type Happening = Schemas['EventView']

/** Which events are asked for; the server knows an event only by what is exactly so. */
export interface EventQuery {
  projectId?: string
  runId?: string
  agentId?: string
  type?: string
  /** The least level. */
  level?: 'info' | 'warn' | 'error'
  /** From this time on. */
  since?: string
}

/** One page of events, oldest first; `before` is the `nextCursor` of the page that is newer. */
export const listEvents = (query: EventQuery, limit: number, before?: string, signal?: AbortSignal) =>
  unwrap(api.GET('/api/agent/events', { params: { query: { ...query, limit, before } }, signal }))
