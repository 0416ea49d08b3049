import { expect, test, vi } from 'vitest'

import { usePaged, type Page } from './paged'
import { ofEvent } from './timeline'

const entry = (id: number) => ofEvent({ id: String(id), ts: `2026-02-11T15:00:00.${String(id).padStart(6, '0')}Z`, type: 'note', level: 'info', projectId: 'p', runId: null, agentId: null, title: null, message: null, data: null })

/** A server that has the events up to `newest`, and serves them in pages. */
function server(size: number) {
  const state = { newest: 10 }
  const read = vi.fn(async (_limit: number, before: number | undefined): Promise<Page<number>> => {
    const from = before ?? state.newest + 1
    const ids = Array.from({ length: size }, (_, index) => from - 1 - index).filter((id) => id > 0)
    const last = ids[ids.length - 1]
    return { entries: ids.map(entry), next: last !== undefined && last > 1 ? last : null }
  })
  return { state, read }
}
const ids = (paged: ReturnType<typeof usePaged<number>>) => paged.stretch.value.entries.map(({ key }) => Number(key.slice(6)))

test('reads page by page to the end', async () => {
  const { read } = server(4)
  const paged = usePaged(read)

  await paged.more()
  expect(ids(paged)).toEqual([10, 9, 8, 7])
  await paged.more()
  await paged.more()

  expect(ids(paged)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
  expect(paged.stretch.value.isComplete).toBe(true)
})

test('what came since is read back to what is known', async () => {
  const { state, read } = server(4)
  const paged = usePaged(read)
  await paged.more()

  state.newest = 16
  await paged.newest()

  expect(ids(paged)).toEqual([16, 15, 14, 13, 12, 11, 10, 9, 8, 7])
})

test('far too much at once begins anew, without a hole', async () => {
  const { state, read } = server(4)
  const paged = usePaged(read)
  await paged.more()

  state.newest = 1000
  await paged.newest()
  await paged.more()

  const seen = ids(paged)
  expect(seen[0]).toBe(1000)
  expect(seen.every((id, index) => index === 0 || id === (seen[index - 1] ?? 0) - 1)).toBe(true)
})

test('a failure is told and does not stop the next try', async () => {
  const { read } = server(20)
  read.mockRejectedValueOnce(new Error('no'))
  const paged = usePaged(read)

  await paged.more()
  expect(paged.error.value).toBeInstanceOf(Error)
  await paged.more()

  expect(paged.error.value).toBeUndefined()
  expect(ids(paged)).toHaveLength(10)
})

test('what came since a moment is read to its end, though a page may be empty', async () => {
  const read = vi.fn()
  read.mockResolvedValueOnce({ entries: [entry(3)], next: 2 })
  read.mockResolvedValueOnce({ entries: [], next: 7 })
  read.mockResolvedValueOnce({ entries: [entry(8)], next: null })
  const paged = usePaged<number>(read)
  await paged.more()

  await paged.newest('then')

  expect(ids(paged)).toEqual([8, 3])
  expect(read).toHaveBeenLastCalledWith(expect.any(Number), 7, expect.anything(), 'then')
  expect(paged.stretch.value.isComplete).toBe(false)
})

test('those who ask for what is new while it is read wait for one more answer, not for one each', async () => {
  const { state, read } = server(4)
  const paged = usePaged(read)
  await paged.more()
  state.newest = 12

  await Promise.all(Array.from({ length: 20 }, () => paged.newest()))

  expect(ids(paged)[0]).toBe(12)
  expect(read.mock.calls.length).toBeLessThanOrEqual(3)
})

test('what is forgotten is read again, without a hole', async () => {
  const { state, read } = server(100)
  state.newest = 1000
  const paged = usePaged(read)
  for (let page = 0; page < 8; page += 1) await paged.more()
  expect(ids(paged)).toHaveLength(800)

  paged.trim(450)
  await paged.newest()
  expect(ids(paged)).toHaveLength(400)
  await paged.more()

  expect(ids(paged)).toEqual(Array.from({ length: 500 }, (_, index) => 1000 - index))
})
