import { onScopeDispose, ref, shallowRef, watch } from 'vue'

import type { ApiFailure } from '@/api/client'
import { useLines } from '@/app/connection'

import { listChanges, type Change } from './history.api'

const PAGE = 50
const MOST = 500
const GATHER_MS = 200

/** The changes of a project, newest first, kept true by the stream. A newer change can make an older one undoable no more. */
export function useHistory(projectId: () => string) {
  const changes = shallowRef<Change[]>()
  const next = ref<number | null>(null)
  const error = shallowRef<ApiFailure>()
  const isReadingOn = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let current = new AbortController()

  async function reload() {
    clearTimeout(timer)
    timer = undefined
    current.abort()
    const { signal } = (current = new AbortController())
    try {
      const wanted = Math.min(MOST, Math.max(PAGE, changes.value?.length ?? 0))
      const answer = await listChanges(projectId(), wanted, undefined, signal)
      const last = answer.data[answer.data.length - 1]
      const older = last ? (changes.value ?? []).filter(({ seq }) => seq < last.seq) : []
      if (older.length === 0) next.value = answer.nextBefore
      changes.value = [...answer.data, ...older]
      error.value = undefined
    } catch (failure) {
      if (!signal.aborted) error.value = failure as ApiFailure
    }
  }

  async function readOn() {
    if (next.value === null || isReadingOn.value) return
    isReadingOn.value = true
    try {
      const answer = await listChanges(projectId(), PAGE, next.value)
      const known = new Set(changes.value?.map(({ seq }) => seq))
      changes.value = [...(changes.value ?? []), ...answer.data.filter(({ seq }) => !known.has(seq))]
      next.value = answer.nextBefore
    } catch (failure) {
      error.value = failure as ApiFailure
    }
    isReadingOn.value = false
  }

  const soon = () => {
    timer ??= setTimeout(() => void reload(), GATHER_MS)
  }
  useLines((line) => {
    if (line.projectId === projectId()) soon()
  }, soon)
  watch(projectId, () => {
    changes.value = undefined
    void reload()
  }, { immediate: true })
  onScopeDispose(() => {
    clearTimeout(timer)
    current.abort()
  })
  return { changes, next, error, isReadingOn, reload, readOn }
}
