import { api, unwrap, type Schemas } from '@/api/client'

/** A change of a project: who, when, why, what was before and what came after. */
export type Change = Schemas['ProjectChangeView']

/** One page of the changes of a project, newest first; also of one that is gone. */
export const listChanges = (projectId: string, limit: number, before?: number, signal?: AbortSignal) =>
  unwrap(api.GET('/api/projects/{id}/history', { params: { path: { id: projectId }, query: { limit, before } }, signal }))

export const undoChange = async (projectId: string, seq: number, reason?: string) =>
  (await unwrap(api.POST('/api/projects/{id}/history/{seq}/undo', { params: { path: { id: projectId, seq } }, body: reason ? { reason } : undefined }))).data

export const undoAction = async (id: string, reason?: string) =>
  (await unwrap(api.POST('/api/agent/actions/{id}/undo', { params: { path: { id } }, body: reason ? { reason } : undefined }))).data

/** A project as it was at a time, or after a line of the ledger; with the line that made it so. */
export const readPast = (projectId: string, moment: string, signal?: AbortSignal) =>
  unwrap(api.GET('/api/projects/{id}', { params: { path: { id: projectId }, query: { at: moment } }, signal }))
