import { useDocumentVisibility, useIntervalFn } from '@vueuse/core'
import { onScopeDispose, ref, shallowRef, watch } from 'vue'

import { getVerification, type Verification } from '@/contexts/ledger/ledger.api'

import { figuresOf, readinessOf, type Figures, type Readiness } from './health'
import { getMeta, listBackups, type Backups } from './operations.api'

/** How often it is measured anew while somebody looks, in milliseconds. */
const PACE_MS = 5_000

/** Where the installation stands, as of a moment. What could not be asked for is not there. */
export interface Health {
  at: string
  isReachable: boolean
  version?: string
  readiness?: Readiness
  figures?: Figures
  backups?: Backups
  verification?: { last: Verification | null }
}

/** These are for machines: their 503 is an answer like any other, and an older server does not have them. */
async function fetched(path: string, signal: AbortSignal): Promise<Response | undefined> {
  const response = await globalThis.fetch(path, { signal, cache: 'no-store', credentials: 'same-origin' })
  return response.ok || response.status === 503 ? response : undefined
}

async function measure(signal: AbortSignal): Promise<Health> {
  const maybe = async <T>(asked: Promise<T>) => asked.catch(() => undefined)
  const [meta, ready, figures, backups, verification] = await Promise.all([
    maybe(getMeta(signal)),
    maybe(fetched('/health/ready', signal).then(async (response) => ({ answer: readinessOf(await response?.json()) }))),
    maybe(fetched('/metrics', signal).then((response) => response?.text())),
    maybe(listBackups(signal)),
    maybe(getVerification(signal)),
  ])
  return {
    at: new Date().toISOString(),
    isReachable: meta !== undefined || ready !== undefined,
    version: meta?.version,
    readiness: ready?.answer,
    figures: figures ? figuresOf(figures) : undefined,
    backups,
    verification: verification && { last: verification.last },
  }
}

/** The health of the installation, measured anew by itself while the page is looked at. */
export function useHealth() {
  const health = shallowRef<Health>()
  const isMeasuring = ref(false)
  const visibility = useDocumentVisibility()
  const controller = new AbortController()

  async function look() {
    if (isMeasuring.value) return
    isMeasuring.value = true
    const found = await measure(controller.signal)
    isMeasuring.value = false
    if (!controller.signal.aborted) health.value = found
  }
  const { pause, resume } = useIntervalFn(() => void look(), PACE_MS)
  watch(visibility, (now) => {
    if (now === 'hidden') return pause()
    void look()
    resume()
  })
  onScopeDispose(() => controller.abort())
  void look()
  return { health, isMeasuring, look }
}
