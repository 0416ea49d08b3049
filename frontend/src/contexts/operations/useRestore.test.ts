import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope } from 'vue'

import { ApiFailure } from '@/api/client'

import { useRestore } from './useRestore'

const { fetchAnew, listBackups, restoreBackup, restoreDatabase } = vi.hoisted(() => ({ fetchAnew: vi.fn(), listBackups: vi.fn(), restoreBackup: vi.fn(), restoreDatabase: vi.fn() }))
vi.mock('@/app/connection', () => ({ fetchAnew }))
vi.mock('./operations.api', () => ({ listBackups, restoreBackup, restoreDatabase }))

const scope = effectScope()
beforeEach(() => {
  vi.useFakeTimers()
  vi.clearAllMocks()
})
afterEach(() => vi.useRealTimers())

const restore = () => scope.run(useRestore) as ReturnType<typeof useRestore>

test('how far the server is is asked until it is over, and then everything is read anew', async () => {
  const work = { task: 'restore', name: 'a.db', phase: 'verifying', done: 1, total: 2, beganAt: '' }
  listBackups.mockResolvedValue({ underWay: [{ ...work, task: 'backup' }, work] })
  let finish: (restored: object) => void = () => undefined
  restoreBackup.mockReturnValue(new Promise((resolve) => (finish = resolve)))
  const { run, isRunning, underWay, restored } = restore()

  const running = run({ backup: 'a.db' })
  await vi.advanceTimersByTimeAsync(600)
  expect(underWay.value?.phase).toBe('verifying')

  finish({ dbFile: 'pm.db', previousDbBackup: 'pm.db.bak.1' })
  await running
  expect(isRunning.value).toBe(false)
  expect(restored.value?.previousDbBackup).toBe('pm.db.bak.1')
  expect(fetchAnew).toHaveBeenCalledTimes(1)

  const asked = listBackups.mock.calls.length
  await vi.advanceTimersByTimeAsync(5_000)
  expect(listBackups).toHaveBeenCalledTimes(asked)
})

test('a refusal is said, and it can be tried again', async () => {
  listBackups.mockRejectedValue(new Error('away'))
  restoreDatabase.mockRejectedValue(new ApiFailure(400, 'invalid_backup', 'this is no database'))
  const { run, isRunning, problem, restored } = restore()

  await run({ file: new File(['meow'], 'cat.db') })

  expect(problem.value).toBe('this is no database')
  expect(restored.value).toBeUndefined()
  expect(isRunning.value).toBe(false)
  expect(fetchAnew).not.toHaveBeenCalled()
})

test('one restore at a time', () => {
  restoreBackup.mockReturnValue(new Promise(() => undefined))
  const { run } = restore()

  void run({ backup: 'a.db' })
  void run({ backup: 'b.db' })

  expect(restoreBackup).toHaveBeenCalledTimes(1)
})
