import { onScopeDispose, ref, shallowRef } from 'vue'

import type { ApiFailure } from '@/api/client'
import { useLines } from '@/app/connection'

import { cancelDeploy, getDeployLog, getDeployStatus, startDeploy, type DeployStatus } from './operations.api'

/** How often a job that runs is looked at, in milliseconds. The server itself goes away in the middle of it. */
const LOOK_MS = 1_000

/** The deploy job, looked at as long as it runs, also while the server restarts; one that others start is noticed. */
export function useDeploy() {
  const status = shallowRef<DeployStatus>()
  const log = shallowRef<string[]>([])
  const error = shallowRef<ApiFailure>()
  /** Whether the server is away in the middle of a job. */
  const isAway = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let isOver = false
  let looks = 0

  async function look() {
    clearTimeout(timer)
    const mine = (looks += 1)
    try {
      // In this order: the log of a job that ended is whole.
      const found = await getDeployStatus()
      const lines = await getDeployLog()
      if (isOver || mine !== looks) return
      status.value = found
      if (lines.length !== log.value.length || lines.at(-1) !== log.value.at(-1)) log.value = lines
      error.value = undefined
      isAway.value = false
    } catch (failure) {
      if (isOver || mine !== looks) return
      if (status.value?.state === 'running') isAway.value = true
      else error.value = failure as ApiFailure
    }
    if (isAway.value || status.value?.state === 'running') timer = setTimeout(() => void look(), LOOK_MS)
  }

  useLines(({ operation }) => {
    if (operation.startsWith('deploy.')) void look()
  }, () => void look())
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
