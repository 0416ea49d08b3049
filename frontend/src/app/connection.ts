import { createParser } from 'eventsource-parser'
import { computed, onScopeDispose, ref } from 'vue'

import { signedOut, type Schemas } from '@/api/client'

/** A line of the ledger, as the stream tells it. */
export type Line = Schemas['LineView']

/** `idle` before the start, `live` while lines come, `lost` while the server cannot be heard. */
export type ConnectionState = 'idle' | 'connecting' | 'live' | 'lost'

type Heard = { kind: 'line'; line: Line } | { kind: 'resync'; lastSeq: number } | { kind: 'state'; state: ConnectionState } | { kind: 'who' } | { kind: 'alive' }

/** The server says something every 15 seconds; three times that without a word is a dead connection. */
const SILENCE_MS = 45_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000
const CHANNEL = 'pilotdeck.stream'
/** A tab that holds the connection and does nothing, says so this often; one that does not for long is frozen. */
const SIGN_MS = 10_000
const FROZEN_MS = 75_000

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
    fetchAnew()
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
  controller.signal.addEventListener('abort', () => channel.close())
  if (navigator.locks) takeTurns(channel, controller.signal)
  else void lead(channel, controller.signal)
}

/** Holds the connection for all tabs, until it is taken away. */
async function lead(channel: BroadcastChannel, signal: AbortSignal) {
  let saidAt = 0
  const post = (heard: Heard) => {
    if (signal.aborted) return
    saidAt = Date.now()
    channel.postMessage(heard)
  }
  channel.onmessage = ({ data }: MessageEvent<Heard>) => {
    if (data.kind === 'who') post({ kind: 'state', state: state.value })
  }
  const alive = setInterval(() => {
    if (Date.now() - saidAt >= SIGN_MS) post({ kind: 'alive' })
  }, SIGN_MS)
  signal.addEventListener('abort', () => clearInterval(alive), { once: true })
  const tell = (heard: Heard) => {
    if (signal.aborted) return
    hear(heard)
    post(heard)
  }
  await follow(tell, signal)
}

/** Waits for the connection and hears meanwhile what the tab says that holds it. A frozen tab says nothing: it is taken from. */
function takeTurns(channel: BroadcastChannel, signal: AbortSignal) {
  let heardAt = Date.now()
  let turn = new AbortController()
  let isLeading = false

  function take(isByForce: boolean) {
    const mine = (turn = new AbortController())
    const during = AbortSignal.any([signal, mine.signal])
    isLeading = false
    channel.onmessage = ({ data }: MessageEvent<Heard>) => {
      heardAt = Date.now()
      hear(data)
    }
    channel.postMessage({ kind: 'who' } satisfies Heard)
    const work = () => {
      isLeading = true
      return lead(channel, during)
    }
    void navigator.locks
      .request(CHANNEL, isByForce ? { steal: true } : { signal: during }, work)
      .catch(() => undefined)
      .then(() => {
        // Another tab thought this one frozen: it goes on as one of those that listen.
        mine.abort()
        if (turn === mine && !signal.aborted) take(false)
      })
  }

  take(false)
  let lookedAt = Date.now()
  const watch = setInterval(() => {
    const now = Date.now()
    // Whoever slept has heard nothing, and cannot blame the others for it.
    if (now - lookedAt > 3 * SIGN_MS) heardAt = now
    lookedAt = now
    if (isLeading || now - heardAt < FROZEN_MS) return
    heardAt = now
    turn.abort()
    take(true)
  }, SIGN_MS)
  signal.addEventListener('abort', () => clearInterval(watch), { once: true })
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
      signal: AbortSignal.any([signal, dead.signal]),
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
      signal.removeEventListener('abort', end)
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

/** Makes everybody fetch anew, as after a gap. */
export function fetchAnew() {
  resyncListeners.forEach((listener) => listener())
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
