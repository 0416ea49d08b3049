import { onScopeDispose, ref, watch } from 'vue'

import { useLive } from '@/app/live'
import { useNotices } from '@/app/notices'

import { deleteBackup, listBackups, makeBackup, proveBackup } from './operations.api'

/** How often work that is under way is looked at, in milliseconds. */
const LOOK_MS = 400

/** The kept backups, and what is done to them: followed by the ledger, and closely while something is under way. */
export function useBackups() {
  const notices = useNotices()
  const live = useLive({ load: listBackups, affects: ({ operation }) => operation.startsWith('backup.') || operation.startsWith('database.') })
  /** Whether something was asked for and not answered yet. */
  const isAsking = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  const look = async () => {
    clearTimeout(timer)
    await live.reload()
  }
  watch([live.data, live.error], () => {
    clearTimeout(timer)
    if (live.data.value?.underWay.length) timer = setTimeout(() => void look(), LOOK_MS)
  })
  onScopeDispose(() => clearTimeout(timer))

  /** Asks for something, and shows at once what came of it. */
  async function ask(request: () => Promise<unknown>) {
    isAsking.value = true
    try {
      await request()
      return true
    } catch (error) {
      notices.failed(error)
      return false
    } finally {
      isAsking.value = false
      void look()
    }
  }
  return {
    ...live,
    isAsking,
    make: () => ask(makeBackup),
    prove: (name: string) => ask(() => proveBackup(name)),
    remove: (name: string) => ask(() => deleteBackup(name)),
  }
}
