import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope, nextTick, type EffectScope } from 'vue'

import { ApiFailure } from '@/api/client'

import * as server from './projects.api'
import type { Project } from './projects.api'
import { useProjects } from './projects.store'
import { useNotes } from './useNotes'

vi.mock('./projects.api')

const PAUSE_MS = 2_000

let scope: EffectScope
const version = (minute: number) => `2026-02-11T15:0${minute}:00.000000Z`
const project = (notes: string, minute: number) => ({ id: 'p', name: 'P', notes, updatedAt: version(minute), status: 'planning' }) as Project
const written = () => {
  const notes = scope.run(() => useNotes('p'))
  if (!notes) throw new Error('no notes')
  return notes
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.mocked(server.changeProject).mockReset()
  sessionStorage.clear()
  setActivePinia(createPinia())
  useProjects().keep(project('one', 1))
  scope = effectScope()
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
})

test('what is written is saved after a pause, on top of what was seen', async () => {
  vi.mocked(server.changeProject).mockResolvedValue(project('two', 2))
  const notes = written()

  notes.written.value = 'two'
  expect(notes.state.value).toBe('unsaved')
  await vi.advanceTimersByTimeAsync(PAUSE_MS)

  expect(server.changeProject).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ updatedAt: version(1) }), { notes: 'two' })
  expect(notes.state.value).toBe('saved')
})

test('what others save is shown while nobody writes, and never over what somebody writes', async () => {
  const notes = written()
  useProjects().keep(project('theirs', 2))
  expect(notes.written.value).toBe('theirs')

  notes.written.value = 'mine'
  useProjects().keep(project('theirs again', 3))

  expect(notes.written.value).toBe('mine')
  expect(notes.isOvertaken.value).toBe(true)
})

test('text on top of notes that changed meanwhile is saved as such, so that the two meet', async () => {
  vi.mocked(server.changeProject).mockRejectedValue(new ApiFailure(409, 'version_mismatch', 'changed'))
  vi.mocked(server.getProject).mockResolvedValue(project('theirs', 2))
  const notes = written()
  notes.written.value = 'mine'
  useProjects().keep(project('theirs', 2))

  void notes.save()
  await vi.advanceTimersByTimeAsync(0)

  expect(server.changeProject).toHaveBeenCalledWith(expect.objectContaining({ notes: 'one', updatedAt: version(1) }), { notes: 'mine' })
  expect(useProjects().conflict).toMatchObject({ mine: { notes: 'mine' }, theirs: { notes: 'theirs' } })

  useProjects().conflict?.settle(undefined)
  await vi.advanceTimersByTimeAsync(0)
  expect(notes.written.value).toBe('theirs')
  expect(notes.state.value).toBe('saved')
})

test('a failure keeps the text, and says so', async () => {
  vi.mocked(server.changeProject).mockRejectedValue(new ApiFailure(0, 'unreachable', 'no'))
  const notes = written()

  notes.written.value = 'two'
  expect(await notes.save()).toBe(false)

  expect(notes.written.value).toBe('two')
  expect(notes.state.value).toBe('failed')
})

test('what was not saved is there after a reload, and is saved then', async () => {
  written().written.value = 'two'
  await nextTick()
  scope.stop()
  scope = effectScope()
  vi.mocked(server.changeProject).mockResolvedValue(project('two', 2))

  const notes = written()
  expect(notes.written.value).toBe('two')
  await vi.advanceTimersByTimeAsync(PAUSE_MS)

  expect(server.changeProject).toHaveBeenCalledOnce()
  expect(notes.state.value).toBe('saved')
})

test('what is typed while a save is under way is kept and saved next', async () => {
  let answer: (saved: Project) => void = () => undefined
  vi.mocked(server.changeProject).mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)))
  vi.mocked(server.changeProject).mockResolvedValueOnce(project('two three', 3))
  const notes = written()
  notes.written.value = 'two'
  void notes.save()

  notes.written.value = 'two three'
  answer(project('two', 2))
  await vi.advanceTimersByTimeAsync(PAUSE_MS)

  expect(server.changeProject).toHaveBeenLastCalledWith(expect.objectContaining({ updatedAt: version(2) }), { notes: 'two three' })
  expect(notes.state.value).toBe('saved')
})
