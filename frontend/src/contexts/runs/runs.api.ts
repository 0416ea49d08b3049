import { api, unwrap, type Schemas } from '@/api/client'

/** A run as the server serves it, with whatever further fields it was given. */
export type Run = Schemas['RunView']

/** What a person can start. */
export type NewRun = Schemas['StartRunBody']

/** What may be changed of a run. */
export type RunChange = Schemas['ChangeRunBody']

/** Which runs; an absent or empty value is no filter. */
export interface RunFilter {
  projectId?: string
  agentId?: string
  status?: string
}

/** A page of runs, newest first; the signs of life are of those that are not over, by id. */
export interface RunPage {
  runs: Run[]
  total: number
  next: string | null
  signs: Record<string, string>
}

const at = (id: string) => ({ params: { path: { id } } })

/** The runs after `cursor`, or the newest ones. */
export async function listRuns(filter: RunFilter, page: { limit?: number; cursor?: string } = {}, signal?: AbortSignal): Promise<RunPage> {
  const query = {
    projectId: filter.projectId || undefined,
    agentId: filter.agentId || undefined,
    status: filter.status || undefined,
    ...page,
  }
  const answer = await unwrap(api.GET('/api/agent/runs', { params: { query }, signal }))
  return { runs: answer.data, total: answer.total, next: answer.nextCursor, signs: answer.signs }
}

/** A run with what the server says beside it, such as its last sign of life. */
export const readRun = (id: string, signal?: AbortSignal) => unwrap(api.GET('/api/agent/runs/{id}', { ...at(id), signal }))

export const startRun = async (body: NewRun) => (await unwrap(api.POST('/api/agent/runs', { body }))).data

export const changeRun = async (id: string, body: RunChange) => (await unwrap(api.PATCH('/api/agent/runs/{id}', { ...at(id), body }))).data
