import { mount } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h, nextTick, ref } from 'vue'

import type { Line } from './connection'
import { useLive, type Live } from './live'

const listeners: { onLine: (line: Line) => void; onResync: () => void }[] = []
vi.mock('./connection', () => ({ useLines: (onLine: (line: Line) => void, onResync: () => void) => listeners.push({ onLine, onResync }) }))

beforeEach(() => {
  listeners.length = 0
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

function live<T>(options: Parameters<typeof useLive<T>>[0]) {
  let found: Live<T> | undefined
  const wrapper = mount(defineComponent({ setup: () => ((found = useLive(options)), () => h('p')) }))
  if (!found) throw new Error('not set up')
  return { ...found, wrapper }
}

test('lines that come together cause one fetch', async () => {
  const load = vi.fn(async () => 'now')
  const { data } = live({ load, affects: ({ operation }) => operation === 'run.updated' })
  await vi.advanceTimersByTimeAsync(0)
  expect(data.value).toBe('now')

  for (let index = 0; index < 50; index += 1) listeners[0]?.onLine({ operation: 'run.updated' } as Line)
  listeners[0]?.onLine({ operation: 'user.signed_in' } as Line)
  await vi.advanceTimersByTimeAsync(1000)

  expect(load).toHaveBeenCalledTimes(2)
})

test('the last request wins, whichever is answered first', async () => {
  const wish = ref('slow')
  const { data } = live({
    watch: wish,
    affects: () => false,
    load: async () => {
      const mine = wish.value
      await new Promise((resolve) => setTimeout(resolve, mine === 'slow' ? 500 : 10))
      return mine
    },
  })
  wish.value = 'quick'
  await nextTick()
  await vi.advanceTimersByTimeAsync(1000)

  expect(data.value).toBe('quick')
})

test('a failure is shown, and what was there stays', async () => {
  let fails = false
  const { data, error, reload } = live({
    affects: () => false,
    load: async () => {
      if (fails) throw new Error('no')
      return 1
    },
  })
  await vi.advanceTimersByTimeAsync(0)
  fails = true
  await reload()

  expect(data.value).toBe(1)
  expect(error.value).toBeInstanceOf(Error)
})

test('nothing is fetched for a page that was left', async () => {
  const load = vi.fn(async () => 1)
  const { wrapper } = live({ load, affects: () => true })
  await vi.advanceTimersByTimeAsync(0)
  listeners[0]?.onLine({ operation: 'x' } as Line)
  wrapper.unmount()
  await vi.advanceTimersByTimeAsync(1000)

  expect(load).toHaveBeenCalledTimes(1)
})

test('lines that come faster than answers do not keep the answers away', async () => {
  let count = 0
  const load = vi.fn((signal: AbortSignal) => new Promise<number>((resolve, reject) => {
    const mine = ++count
    setTimeout(() => resolve(mine), 1000)
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  }))
  const { data } = live({ load, affects: () => true })
  for (let passed = 0; passed < 5000; passed += 50) {
    listeners[0]?.onLine({ operation: 'event.appended' } as Line)
    await vi.advanceTimersByTimeAsync(50)
  }

  expect(data.value).toBeGreaterThanOrEqual(3)
  await vi.advanceTimersByTimeAsync(3000)
  expect(data.value).toBe(count)
})

test('the failure of one choice is not shown for the next one', async () => {
  const wish = ref('broken')
  const { error, isLoading } = live({
    watch: wish,
    load: (signal) => (wish.value === 'broken' ? Promise.reject(new Error('no')) : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))),
    affects: () => false,
  })
  await vi.advanceTimersByTimeAsync(0)
  expect(error.value).toBeDefined()

  wish.value = 'slow'
  await vi.advanceTimersByTimeAsync(0)

  expect(error.value).toBeUndefined()
  expect(isLoading.value).toBe(true)
})
