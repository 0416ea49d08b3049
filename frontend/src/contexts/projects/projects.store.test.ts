import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'

import { ApiFailure } from '@/api/client'
import type { Line } from '@/app/connection'

import * as server from './projects.api'
import type { Project } from './projects.api'
import { useProjects } from './projects.store'

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
