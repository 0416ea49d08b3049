import { ApiFailure, api, unwrap, type Schemas } from '@/api/client'

/** What the server says of itself. */
export type Meta = Schemas['MetaView']

export const getMeta = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/meta', { signal }))).data

/** Where a backup is downloaded from; the browser shows how far it is. */
export const BACKUP_ADDRESS = '/api/admin/backup'

/** Where everything is downloaded from, as JSON lines. */
export const EXPORT_ADDRESS = '/api/admin/export'

/** The kept backups, how they are kept, and what is under way. */
export type Backups = Schemas['BackupsView']

/** A kept backup. */
export type Backup = Schemas['BackupView']

/** How far a piece of work is. */
export type UnderWay = Schemas['UnderWayView']

/** What a restore did. */
export type Restored = Schemas['RestoreView']

/** How the last deploy job stands. */
export type DeployStatus = Schemas['DeployStatusView']

export const listBackups = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/admin/backups', { signal }))).data

export const makeBackup = () => unwrap(api.POST('/api/admin/backups'))

export const proveBackup = (id: string) => unwrap(api.POST('/api/admin/backups/{id}/prove', { params: { path: { id } } }))

export const deleteBackup = (id: string) => unwrap(api.DELETE('/api/admin/backups/{id}', { params: { path: { id } } }))

/** Where a kept backup is downloaded from. */
export const addressOf = (id: string) => `/api/admin/backups/${encodeURIComponent(id)}`

export const startDeploy = () => unwrap(api.POST('/api/admin/deploy'))

export const cancelDeploy = () => unwrap(api.POST('/api/admin/deploy/cancel'))

export const getDeployStatus = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/admin/deploy/status', { signal }))).data

export const getDeployLog = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/admin/deploy/log', { signal }))).lines

/** Puts a kept backup in the place of the database that is served. */
export const restoreBackup = (id: string) => restore(`${addressOf(id)}/restore`)

/** Sends a database to take the place of the one that is served, and says how much of it is sent (0 to 1). */
export function restoreDatabase(file: File, onProgress: (share: number) => void): Promise<Restored> {
  const body = new FormData()
  body.append('file', file)
  return restore('/api/admin/restore', body, onProgress)
}

/** Asks for a restore, once: sending it again after a lost answer would restore again. */
function restore(address: string, body?: FormData, onProgress?: (share: number) => void): Promise<Restored> {
  // Only this old interface tells how far an upload is.
  const request = new XMLHttpRequest()
  return new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(total ? loaded / total : 0)
    request.onerror = () => reject(new ApiFailure(0, 'unreachable', 'the server did not answer'))
    request.onload = () => {
      const answer = request.response as { success?: boolean; error?: string; code?: Schemas['ErrorCode']; data?: Restored } | null
      if (request.status === 200 && answer?.data) resolve(answer.data)
      else reject(new ApiFailure(request.status, answer?.code ?? 'unreadable', answer?.error ?? `HTTP ${request.status}`, {}, [], request.getResponseHeader('X-Request-Id')))
    }
    request.open('POST', address)
    request.responseType = 'json'
    request.send(body)
  })
}
