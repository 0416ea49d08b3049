import { onScopeDispose, ref, shallowRef } from 'vue'

import { useLive } from '@/app/live'
import { useNotices } from '@/app/notices'

import { getLedgerKey, getVerification, verifyLedger } from './ledger.api'

const POLL_MS = 400
/** Checkpoints have no lines of their own; that one was signed is noticed with a line that comes later. */
const EVERY_LINES = 100

/** How far the ledger is proven, and the way to prove it now. */
export function useVerification() {
  const notices = useNotices()
  const { data: key } = useLive({ load: getLedgerKey, affects: ({ seq }) => seq % EVERY_LINES === 0 })
  const { data: state, reload } = useLive({ load: getVerification, affects: () => false })
  const isVerifying = ref(false)
  const progress = shallowRef<{ line: number; ofLines: number } | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined

  async function poll() {
    progress.value = (await getVerification().catch(() => undefined))?.running ?? progress.value
    if (isVerifying.value) timer = setTimeout(() => void poll(), POLL_MS)
  }

  async function verify() {
    if (isVerifying.value) return
    isVerifying.value = true
    progress.value = null
    timer = setTimeout(() => void poll(), POLL_MS)
    try {
      await verifyLedger()
      await reload()
    } catch (error) {
      notices.failed(error)
    }
    isVerifying.value = false
    clearTimeout(timer)
  }
  onScopeDispose(() => {
    isVerifying.value = false
    clearTimeout(timer)
  })
  return { key, state, isVerifying, progress, verify }
}
