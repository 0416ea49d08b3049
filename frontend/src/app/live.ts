import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef, type WatchSource } from 'vue'

import type { ApiFailure } from '@/api/client'

import { useLines, type Line } from './connection'

/** Lines that come within this time cause one reload, in milliseconds. */
const GATHER_MS = 250

/** What is shown, kept true by the stream. */
export interface Live<T> {
  /** The newest answer; it stays while a newer one is fetched. */
  data: ShallowRef<T | undefined>
  /** Why the newest attempt failed. */
  error: ShallowRef<ApiFailure | undefined>
  /** Whether nothing can be shown yet. */
  isLoading: Ref<boolean>
  /** Fetches anew. */
  reload: () => Promise<void>
}

interface LiveOptions<T> {
  /** Fetches; `signal` ends a fetch whose answer nobody waits for. */
  load: (signal: AbortSignal) => Promise<T>
  /** Whether a line of the ledger can change the answer. */
  affects: (line: Line) => boolean
  /** What the fetch depends on; `data` is forgotten when it changes, unless `keeps` says otherwise. */
  watch?: WatchSource | WatchSource[]
  /** Whether the old answer stays on the screen while another one is fetched. */
  keeps?: boolean
}

/** Fetches something, and again whenever the ledger says that it may have changed. The last request wins. */
export function useLive<T>(options: LiveOptions<T>): Live<T> {
  const data = shallowRef<T>()
  const error = shallowRef<ApiFailure>()
  const isLoading = ref(true)
  let current: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Whether a line came that the answer under way may not know of. */
  let isOutdated = false

  const reload = async () => {
    clearTimeout(timer)
    timer = undefined
    isOutdated = false
    current?.abort()
    const mine = new AbortController()
    current = mine
    try {
      const answer = await options.load(mine.signal)
      if (mine.signal.aborted) return
      data.value = answer
      error.value = undefined
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure as ApiFailure
    }
    isLoading.value = false
    current = undefined
    if (isOutdated) soon()
  }
  // A fetch that is under way is awaited: where lines come faster than answers, nothing would ever be shown.
  const follow = () => {
    timer = undefined
    if (current) isOutdated = true
    else void reload()
  }
  const soon = () => {
    timer ??= setTimeout(follow, GATHER_MS)
  }
  useLines((line) => {
    if (options.affects(line)) soon()
  }, soon)
  if (options.watch) {
    watch(options.watch, () => {
      error.value = undefined
      if (!options.keeps) {
        data.value = undefined
        isLoading.value = true
      }
      void reload()
    })
  }
  onScopeDispose(() => {
    clearTimeout(timer)
    current?.abort()
  })
  void reload()
  return { data, error, isLoading, reload }
}
