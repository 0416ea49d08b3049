import { createParser } from 'eventsource-parser'
import { computed, onScopeDispose, ref } from 'vue'

import { signedOut, type Schemas } from '@/api/client'

/** A line of the ledger, as the stream tells it. */
export type Line = Schemas['LineView']

/** `idle` before the start, `live` while lines come, `lost` while the server cannot be heard. */
export type ConnectionState = 'idle' | 'connecting' | 'live' | 'lost'

type Heard = { kind: 'line'; line: Line } | { kind: 'resync'; lastSeq: number } | { kind: 'state'; state: ConnectionState } | { kind: 'who' }

/** The server says something every 15 seconds; three times that without a word is a dead connection. */
const SILENCE_MS = 45_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000
const CHANNEL = 'pilotdeck.stream'

const state = ref<ConnectionState>('idle')
const lastSeq = ref(0)
const lineListeners = new Set<(line: Line) => void>()
const resyncListeners = new Set<() => void>()
let stop: AbortController | undefined
let hurry: (() => void) | undefined

/** What this tab hears, whether from the server or from the tab that holds the connection. */
function hear(heard: Heard) {
  if (heard.kind === 'state') state.value = heard.state
  if (heard.kind === 'resync') {
    lastSeq.value = heard.lastSeq
    resyncListeners.forEach((listener) => listener())
  }
  if (heard.kind === 'line' && heard.line.seq > lastSeq.value) {
    lastSeq.value = heard.line.seq
    lineListeners.forEach((listener) => listener(heard.line))
  }
}

/**
 * Follows the ledger until {@link disconnect}.
 *
 * Of all tabs of a browser one holds the connection and tells the others: a browser opens six connections to a server, and
 * the seventh tab would wait for ever. Where a browser has no locks (a page without HTTPS from another machine), each tab
 * has its own.
 */
export function connect() {
  if (stop) return
  const controller = new AbortController()
  stop = controller
  state.value = 'connecting'
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = ({ data }: MessageEvent<Heard>) => hear(data)
  controller.signal.addEventListener('abort', () => channel.close())
  const tell = (heard: Heard) => {
    if (controller.signal.aborted) return
    hear(heard)
    channel.postMessage(heard)
  }
  const lead = async () => {
    channel.onmessage = ({ data }: MessageEvent<Heard>) => {
      if (data.kind === 'who') channel.postMessage({ kind: 'state', state: state.value } satisfies Heard)
    }
    await follow(tell, controller.signal)
  }
  if (navigator.locks) {
    channel.postMessage({ kind: 'who' } satisfies Heard)
    navigator.locks.request(CHANNEL, { signal: controller.signal }, lead).catch(() => undefined)
  } else {
    void lead()
  }
}

/** Ends what {@link connect} began. */
export function disconnect() {
  stop?.abort()
  stop = undefined
  state.value = 'idle'
}

async function follow(tell: (heard: Heard) => void, signal: AbortSignal) {
  let pause = FIRST_PAUSE_MS
  let isFirst = lastSeq.value === 0
  while (!signal.aborted) {
    const began = await listen(tell, signal, isFirst)
    if (signal.aborted) return
    if (began) {
      pause = FIRST_PAUSE_MS
      isFirst = false
    }
    tell({ kind: 'state', state: 'lost' })
    await rest(pause, signal)
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
  }
}

/** Listens to one connection until it ends, and says whether it began. */
async function listen(tell: (heard: Heard) => void, signal: AbortSignal, isFirst: boolean): Promise<boolean> {
  const dead = new AbortController()
  signal.addEventListener('abort', () => dead.abort(), { once: true })
  let silence: ReturnType<typeof setTimeout> | undefined
  const alive = () => {
    clearTimeout(silence)
    silence = setTimeout(() => dead.abort(), SILENCE_MS)
  }
  let began = false
  const parser = createParser({
    onEvent({ event, data }) {
      if (event === 'hello' || event === 'resync') {
        began = true
        // What was shown before the first word of the server may be older than the place where its stream begins.
        if (event === 'resync' || (isFirst && lastSeq.value === 0)) {
          tell({ kind: 'resync', lastSeq: (JSON.parse(data) as { lastSeq: number }).lastSeq })
        }
        tell({ kind: 'state', state: 'live' })
      } else if (event !== 'dropped' && event !== 'ended') {
        tell({ kind: 'line', line: JSON.parse(data) as Line })
      }
    },
  })
  try {
    alive()
    const address = lastSeq.value > 0 ? `/api/stream?since=${lastSeq.value}` : '/api/stream'
    const response = await globalThis.fetch(address, {
      headers: { Accept: 'text/event-stream' },
      signal: dead.signal,
      cache: 'no-store',
    })
    if (response.status === 401) signedOut()
    if (!response.ok || !response.body) return false
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return began
      alive()
      parser.feed(value)
    }
  } catch {
    return began
  } finally {
    clearTimeout(silence)
    dead.abort()
  }
}

/** Waits, but not longer than until the browser is online or the page is looked at again. */
function rest(duration: number, signal: AbortSignal) {
  return new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer)
      removeEventListener('online', end)
      document.removeEventListener('visibilitychange', end)
      hurry = undefined
      resolve()
    }
    const timer = setTimeout(end, duration)
    hurry = end
    addEventListener('online', end)
    document.addEventListener('visibilitychange', end)
    signal.addEventListener('abort', end, { once: true })
  })
}

/** The connection, for whoever shows its state. */
export function useConnection() {
  return {
    state,
    /** The newest line that was heard. */
    lastSeq,
    isLost: computed(() => state.value === 'lost'),
    /** Tries again now. */
    retry: () => hurry?.(),
  }
}

/** Calls `onLine` for every line of the ledger, and `onResync` when some were missed, as long as the caller's scope lives. */
export function useLines(onLine: (line: Line) => void, onResync: () => void) {
  lineListeners.add(onLine)
  resyncListeners.add(onResync)
  onScopeDispose(() => {
    lineListeners.delete(onLine)
    resyncListeners.delete(onResync)
  })
}
