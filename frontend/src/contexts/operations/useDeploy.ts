import { onScopeDispose, ref, shallowRef } from 'vue'

import { ApiFailure } from '@/api/client'

import { cancelDeploy, getDeployLog, getDeployStatus, startDeploy, type DeployStatus } from './operations.api'

/** How often a job that runs is looked at, in milliseconds. The server itself goes away in the middle of it. */
const LOOK_MS = 1_500

/** The deploy job, looked at as long as it runs, also while the server restarts. */
export function useDeploy() {
  const status = shallowRef<DeployStatus>()
  const log = shallowRef<string[]>([])
  const error = shallowRef<ApiFailure>()
  /** Whether the server is away in the middle of a job. */
  const isAway = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false

  async function look() {
    clearTimeout(timer)
    try {
      const [found, lines] = await Promise.all([getDeployStatus(), getDeployLog()])
      status.value = found
      log.value = lines
      error.value = undefined
      isAway.value = false
    } catch (failure) {
      if (status.value?.state === 'running') isAway.value = true
      else error.value = failure as ApiFailure
    }
    if (!isOver && (isAway.value || status.value?.state === 'running')) timer = setTimeout(() => void look(), LOOK_MS)
  }

  onScopeDispose(() => {
    isOver = true
    clearTimeout(timer)
  })
  void look()
  return {
    status,
    log,
    error,
    isAway,
    look,
    start: async () => {
      await startDeploy()
      await look()
    },
    cancel: async () => {
      await cancelDeploy()
      await look()
    },
  }
}
