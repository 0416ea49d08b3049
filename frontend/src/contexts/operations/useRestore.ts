import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { fetchAnew } from '@/app/connection'
import { failureText } from '@/app/failures'

import { listBackups, restoreBackup, restoreDatabase, type Restored, type UnderWay } from './operations.api'

/** How often the server is asked how far it is, in milliseconds. */
const LOOK_MS = 500

/** What takes the place of the database: a kept backup, or a file of the person. */
export type Source = { backup: string } | { file: File }

/** A restore from its first byte to the page that is there again. */
export function useRestore() {
  const isRunning = ref(false)
  /** How much of a file is sent (0 to 1). */
  const sent = ref<number>()
  /** What the server does with it. */
  const underWay = shallowRef<UnderWay>()
  const problem = ref('')
  const restored = shallowRef<Restored>()
  let timer: ReturnType<typeof setTimeout> | undefined

  async function look() {
    // The server answers this also while it refuses everything else.
    const found = await listBackups().catch(() => undefined)
    if (!isRunning.value) return
    underWay.value = found?.underWay.find(({ task }) => task === 'restore') ?? underWay.value
    timer = setTimeout(() => void look(), LOOK_MS)
  }

  async function run(source: Source) {
    if (isRunning.value) return
    isRunning.value = true
    problem.value = ''
    restored.value = underWay.value = undefined
    sent.value = 'file' in source ? 0 : undefined
    timer = setTimeout(() => void look(), LOOK_MS)
    try {
      restored.value = 'file' in source ? await restoreDatabase(source.file, (share) => (sent.value = share)) : await restoreBackup(source.backup)
      fetchAnew()
    } catch (error) {
      problem.value = failureText(error)
    } finally {
      isRunning.value = false
      sent.value = underWay.value = undefined
      clearTimeout(timer)
    }
  }
  function forget() {
    problem.value = ''
    restored.value = undefined
  }
  onScopeDispose(() => {
    isRunning.value = false
    clearTimeout(timer)
  })
  /** Whether a file is still on its way. */
  const isSending = computed(() => isRunning.value && sent.value !== undefined && sent.value < 1)
  return { isRunning, isSending, sent, underWay, problem, restored, run, forget }
}
