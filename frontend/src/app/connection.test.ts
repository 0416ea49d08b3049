import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope } from 'vue'

import { connect, disconnect, useConnection, useLines, type Line } from './connection'

const encoder = new TextEncoder()

/** A stream that the test speaks into. */
function stream() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({ start: (started) => void (controller = started) })
  return {
    response: new Response(body, { status: 200 }),
    say: (event: string, data: object, id = 0) => controller?.enqueue(encoder.encode(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)),
    end: () => controller?.close(),
  }
}

const asked: string[] = []
let streams: ReturnType<typeof stream>[] = []
const scope = effectScope()

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
  asked.length = 0
  streams = []
  vi.stubGlobal('navigator', { ...navigator, locks: undefined })
  vi.stubGlobal('fetch', async (address: string) => {
    asked.push(address)
    const opened = stream()
    streams.push(opened)
    return opened.response
  })
})

afterEach(() => {
  disconnect()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('lines are heard once and in order, over a lost connection, from where it was lost', async () => {
  const heard: number[] = []
  const resyncs = vi.fn()
  scope.run(() => useLines((line: Line) => heard.push(line.seq), resyncs))
  const { state } = useConnection()

  connect()
  await vi.waitFor(() => expect(streams).toHaveLength(1))
  streams[0]?.say('hello', { since: 41, lastSeq: 41 }, 41)
  await vi.waitFor(() => expect(state.value).toBe('live'))
  expect(resyncs).toHaveBeenCalledTimes(1)
  streams[0]?.say('project.updated', { seq: 42 }, 42)
  await vi.waitFor(() => expect(heard).toEqual([42]))

  streams[0]?.end()
  await vi.waitFor(() => expect(state.value).toBe('lost'))
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  expect(asked[1]).toBe('/api/stream?since=42')
  streams[1]?.say('hello', { since: 42, lastSeq: 44 }, 42)
  streams[1]?.say('event.appended', { seq: 42 }, 42)
  streams[1]?.say('event.appended', { seq: 43 }, 43)
  await vi.waitFor(() => expect(heard).toEqual([42, 43]))
  expect(resyncs).toHaveBeenCalledTimes(1)
  expect(state.value).toBe('live')
})

test('a gap that the server cannot fill makes everybody fetch anew', async () => {
  const resyncs = vi.fn()
  scope.run(() => useLines(() => undefined, resyncs))

  connect()
  await vi.waitFor(() => expect(streams).toHaveLength(1))
  streams[0]?.say('resync', { firstSeq: 900, lastSeq: 1000 }, 1000)

  await vi.waitFor(() => expect(resyncs).toHaveBeenCalled())
  expect(useConnection().lastSeq.value).toBe(1000)
})

test('a tab that holds the connection and says nothing is taken from, and gives way when it wakes', async () => {
  const taken: { work: () => Promise<void>; lose: (reason: Error) => void }[] = []
  const request = vi.fn((_name: string, options: { steal?: boolean; signal?: AbortSignal }, work: () => Promise<void>) =>
    new Promise<void>((_, reject) => {
      options.signal?.addEventListener('abort', () => reject(new Error('aborted')))
      if (!options.steal) return
      taken.push({ work, lose: reject })
      void work()
    }))
  vi.stubGlobal('navigator', { ...navigator, locks: { request } })
  const other = new BroadcastChannel('pilotdeck.stream')

  connect()
  for (let passed = 0; passed < 200; passed += 5) {
    other.postMessage({ kind: 'alive' })
    await vi.advanceTimersByTimeAsync(5_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(streams).toHaveLength(0)
  for (let passed = 0; passed < 100; passed += 5) await vi.advanceTimersByTimeAsync(5_000)
  expect(streams).toHaveLength(1)

  taken[0]?.lose(new Error('stolen'))
  await vi.waitFor(() => expect(request).toHaveBeenCalledTimes(3))
  expect(request.mock.calls[2]?.[1].steal).toBeUndefined()
  other.close()
})
