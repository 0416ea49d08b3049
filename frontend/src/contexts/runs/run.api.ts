import { api, unwrap, type Schemas } from '@/api/client'

/** A stretch of work by one agent. */
export type Run = Schemas['RunView']

/** What may be changed of a run. */
export type RunChange = Schemas['ChangeRunBody']

const at = (id: string) => ({ params: { path: { id } } })

/** A run with what the server says beside it, such as its last sign of life. */
export const readRun = (id: string, signal?: AbortSignal) => unwrap(api.GET('/api/agent/runs/{id}', { ...at(id), signal }))

/** One page of the runs of a project, newest first. */
export const listRunsOf = (query: { projectId?: string; agentId?: string }, limit: number, cursor?: string, signal?: AbortSignal) =>
  unwrap(api.GET('/api/agent/runs', { params: { query: { ...query, limit, cursor } }, signal }))

export const changeRun = async (id: string, body: RunChange) => (await unwrap(api.PATCH('/api/agent/runs/{id}', { ...at(id), body }))).data
