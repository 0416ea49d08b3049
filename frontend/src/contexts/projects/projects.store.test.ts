import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'

import { ApiFailure } from '@/api/client'
import type { Line } from '@/app/connection'

import * as server from './projects.api'
import type { Project } from './projects.api'
import { reverse, useProjects } from './projects.store'

let hear: (line: Line) => void = () => undefined
vi.mock('@/app/connection', () => ({ useLines: (onLine: (line: Line) => void) => void (hear = onLine) }))
vi.mock('./projects.api')

const atlas = (fields: Partial<Project> = {}) => ({ id: 'a', name: 'Atlas', status: 'planning', progress: 0, updatedAt: '2026-01-01T00:00:00.000001Z', ...fields }) as Project
const updated = (before: object, after: object) => ({ operation: 'project.updated', projectId: 'a', subjectId: 'a', change: { before, after } }) as unknown as Line
const stale = () => new ApiFailure(409, 'version_mismatch', 'changed')

beforeEach(async () => {
  setActivePinia(createPinia())
  vi.resetAllMocks()
  vi.mocked(server.listProjects).mockResolvedValue([atlas()])
  await useProjects().load()
})

test('a line changes the very version that it says it changed, without a fetch', () => {
  hear(updated({ progress: 0, updatedAt: atlas().updatedAt }, { progress: 30, updatedAt: '2026-01-01T00:00:00.000002Z' }))

  expect(useProjects().find('a')?.progress).toBe(30)
  expect(server.listProjects).toHaveBeenCalledTimes(1)
})

test('a line about a version that was never seen makes the list be fetched', async () => {
  vi.useFakeTimers()
  hear(updated({ updatedAt: '2026-01-01T00:00:00.000005Z' }, { progress: 30, updatedAt: '2026-01-01T00:00:00.000006Z' }))
  await vi.advanceTimersByTimeAsync(1000)
  vi.useRealTimers()

  expect(server.listProjects).toHaveBeenCalledTimes(2)
})

test('an answer that is older than what is known changes nothing', () => {
  const projects = useProjects()
  projects.keep(atlas({ progress: 50, updatedAt: '2026-01-01T00:00:00.000009Z' }))
  projects.keep(atlas({ progress: 10, updatedAt: '2026-01-01T00:00:00.000003Z' }))

  expect(projects.find('a')?.progress).toBe(50)
})

test('a change beside the one of somebody else goes through without a question', async () => {
  const theirs = atlas({ name: 'Atlas II', updatedAt: '2026-01-01T00:00:00.000002Z' })
  vi.mocked(server.changeProject).mockRejectedValueOnce(stale()).mockResolvedValueOnce({ ...theirs, progress: 40, updatedAt: '2026-01-01T00:00:00.000003Z' })
  vi.mocked(server.getProject).mockResolvedValue(theirs)

  const changed = await useProjects().change(atlas(), { progress: 40 })

  expect(changed).toMatchObject({ name: 'Atlas II', progress: 40 })
  expect(useProjects().conflict).toBeUndefined()
})

test('a change of the same field is put before the person, and waits for the answer', async () => {
  const theirs = atlas({ name: 'Theirs', updatedAt: '2026-01-01T00:00:00.000002Z' })
  vi.mocked(server.changeProject).mockRejectedValueOnce(stale())
  vi.mocked(server.getProject).mockResolvedValue(theirs)
  const projects = useProjects()

  const outcome = projects.change(atlas(), { name: 'Mine' })
  await vi.waitFor(() => expect(projects.conflict).toMatchObject({ mine: { name: 'Mine' }, theirs: { name: 'Theirs' } }))
  projects.conflict?.settle(undefined)

  expect(await outcome).toBeUndefined()
  expect(projects.conflict).toBeUndefined()
})

test('an order that the server refuses is put back', async () => {
  vi.mocked(server.listProjects).mockResolvedValue([atlas(), atlas({ id: 'b' })])
  vi.mocked(server.reorderProjects).mockRejectedValue(new ApiFailure(503, 'overloaded', 'later'))
  const projects = useProjects()
  await projects.load()

  await expect(projects.reorder(['b', 'a'])).rejects.toThrow()

  expect(projects.all.map(({ id }) => id)).toEqual(['a', 'b'])
})

test('what takes a change back gives every field the value that it had, and null where there was none', () => {
  expect(reverse(atlas({ status: 'paused', tags: ['a'] }), { status: 'planning', tags: [], owner: 'Ada' })).toEqual({ status: 'paused', tags: ['a'], owner: null })
})

test('what is heard while the list is fetched outlives an answer that is older', async () => {
  let answer: (projects: Project[]) => void = () => undefined
  vi.mocked(server.listProjects).mockReturnValue(new Promise((resolve) => void (answer = resolve)))
  const projects = useProjects()
  const loaded = projects.load()
  projects.keep(atlas({ progress: 70, updatedAt: '2026-01-01T00:00:00.000009Z' }))
  projects.keep(atlas({ id: 'new' }))
  projects.drop('gone')

  answer([atlas(), atlas({ id: 'gone' })])
  await loaded

  expect(projects.find('a')?.progress).toBe(70)
  expect(projects.all.map(({ id }) => id)).toEqual(['a', 'new'])
})

test('a line that comes while the list is fetched makes it be fetched once more', async () => {
  let answer: (projects: Project[]) => void = () => undefined
  vi.mocked(server.listProjects).mockReturnValueOnce(new Promise((resolve) => void (answer = resolve))).mockResolvedValue([atlas({ progress: 30 })])
  vi.useFakeTimers()
  const projects = useProjects()
  const loaded = projects.load()
  hear(updated({ updatedAt: '2026-01-01T00:00:00.000005Z' }, { progress: 30, updatedAt: '2026-01-01T00:00:00.000006Z' }))
  await vi.advanceTimersByTimeAsync(1000)
  answer([atlas()])
  await loaded
  await vi.advanceTimersByTimeAsync(1000)
  vi.useRealTimers()

  expect(projects.find('a')?.progress).toBe(30)
})

test('an order that is refused takes nothing back but the order', async () => {
  vi.mocked(server.listProjects).mockResolvedValue([atlas(), atlas({ id: 'b' })])
  let refuse: (failure: Error) => void = () => undefined
  vi.mocked(server.reorderProjects).mockReturnValue(new Promise((_, reject) => void (refuse = reject)))
  const projects = useProjects()
  await projects.load()

  const ordered = projects.reorder(['b', 'a'])
  projects.keep(atlas({ progress: 90, updatedAt: '2026-01-01T00:00:00.000009Z' }))
  refuse(new ApiFailure(503, 'overloaded', 'later'))
  await expect(ordered).rejects.toThrow()

  expect(projects.all.map(({ id, progress }) => [id, progress])).toEqual([['a', 90], ['b', 0]])
})

test('after a conflict that I won, undo brings back what the other one wrote', async () => {
  const theirs = atlas({ name: 'Theirs', updatedAt: '2026-01-01T00:00:00.000002Z' })
  const mine = { ...theirs, name: 'Mine', updatedAt: '2026-01-01T00:00:00.000003Z' }
  vi.mocked(server.changeProject).mockRejectedValueOnce(stale()).mockResolvedValueOnce(mine).mockResolvedValueOnce({ ...theirs, updatedAt: '2026-01-01T00:00:00.000004Z' })
  vi.mocked(server.getProject).mockResolvedValue(theirs)
  const projects = useProjects()
  const outcome = projects.change(atlas(), { name: 'Mine' })
  await vi.waitFor(() => expect(projects.conflict).toBeDefined())
  projects.conflict?.settle(await projects.change(theirs, { name: 'Mine' }))

  await projects.takeBack((await outcome) as Project)

  expect(server.changeProject).toHaveBeenLastCalledWith(mine, { name: 'Theirs' })
})
