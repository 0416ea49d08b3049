import { ApiFailure, api, unwrap, type Schemas } from '@/api/client'

/** What the server says of itself. */
export type Meta = Schemas['MetaView']

export const getMeta = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/meta', { signal }))).data

/** Where a backup is downloaded from; the browser shows how far it is. */
export const BACKUP_ADDRESS = '/api/admin/backup'

/** What a restore did. */
export type Restored = Schemas['RestoreView']

/** How the last deploy job stands. */
export type DeployStatus = Schemas['DeployStatusView']

export const startDeploy = () => unwrap(api.POST('/api/admin/deploy'))

export const cancelDeploy = () => unwrap(api.POST('/api/admin/deploy/cancel'))

export const getDeployStatus = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/admin/deploy/status', { signal }))).data

export const getDeployLog = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/admin/deploy/log', { signal }))).lines

/** Sends a database to take the place of the one that is served, and says how much of it is sent (0 to 1). */
export function restoreDatabase(file: File, onProgress: (share: number) => void): Promise<Restored> {
  // Only this old interface tells how far an upload is.
  const request = new XMLHttpRequest()
  const body = new FormData()
  body.append('file', file)
  return new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0)
    request.onerror = () => reject(new ApiFailure(0, 'unreachable', 'the server did not answer'))
    request.onload = () => {
      const answer = request.response as { success?: boolean; error?: string; code?: Schemas['ErrorCode']; data?: Restored } | null
      if (request.status === 200 && answer?.data) resolve(answer.data)
      else reject(new ApiFailure(request.status, answer?.code ?? 'unreadable', answer?.error ?? `HTTP ${request.status}`, {}, [], request.getResponseHeader('X-Request-Id')))
    }
    request.open('POST', '/api/admin/restore')
    request.responseType = 'json'
    request.send(body)
  })
}
