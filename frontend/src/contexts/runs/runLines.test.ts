import { beforeEach, describe, expect, test } from 'vitest'

import type { Line } from '@/app/connection'

import { follow, type RunList } from './runLines'
import type { Run } from './runs.api'

const run = (id: string, fields: Partial<Run> = {}): Run => ({
  id,
  projectId: 'p1',
  agentId: 'claude',
  status: 'running',
  createdAt: `2026-02-11T15:00:0${id}.000000Z`,
  updatedAt: null,
  startedAt: null,
  finishedAt: null,
  ...fields,
})
const line = (operation: string, id: string, change: object, fields: Partial<Line> = {}) =>
  ({ operation, subjectId: id, runId: id, projectId: 'p1', ts: '2026-02-11T16:00:00.000000Z', change, ...fields }) as Line

let list: RunList
beforeEach(() => {
  list = { runs: [run('3'), run('1')], total: 2, isComplete: true, signs: new Map() }
})
const ids = () => list.runs.map(({ id }) => id)

describe('a list of runs', () => {
  test('gets a new run where it belongs', () => {
    follow(list, line('run.created', '2', { after: run('2') }), {})

    expect(ids()).toEqual(['3', '2', '1'])
    expect(list.total).toBe(3)
  })

  test('does not count a run again that was created while the list was fetched, and is on none of its pages yet', () => {
    list.isComplete = false
    follow(list, line('run.created', '0', { after: run('0') }), {}, true)
    expect(list.total).toBe(2)

    follow(list, line('run.created', '2', { after: run('2') }), {}, true)
    expect(list.total).toBe(3)
  })

  test('counts a repeated line once', () => {
    follow(list, line('run.created', '2', { after: run('2') }), {})
    follow(list, line('run.created', '2', { after: run('2') }), {})

    expect(list.total).toBe(3)
  })

  test('shows a change and forgets what is gone', () => {
    list.runs[0] = run('3', { title: 'x' })

    follow(list, line('run.updated', '3', { before: { status: 'running', title: 'x' }, after: { status: 'success' } }), {})

    expect(list.runs[0]).toMatchObject({ id: '3', status: 'success' })
    expect(list.runs[0]).not.toHaveProperty('title')
  })

  test('loses a run that the filter does not let through any more', () => {
    follow(list, line('run.updated', '3', { before: { status: 'running' }, after: { status: 'success' } }), { status: 'running' })

    expect(ids()).toEqual(['1'])
    expect(list.total).toBe(1)
  })

  test('asks for a run that comes into the filter', () => {
    const wanted = follow(list, line('run.updated', '9', { before: { status: 'running' }, after: { status: 'failed' } }), { status: 'failed' })

    expect(wanted).toEqual({ kind: 'run', id: '9' })
  })

  test('leaves a run that is older than all that were fetched to its page', () => {
    list.isComplete = false

    follow(list, line('run.created', '0', { after: run('0') }), {})

    expect(ids()).toEqual(['3', '1'])
    expect(list.total).toBe(3)
  })

  test('takes every line of a run as a sign of life', () => {
    follow(list, line('event.appended', 'e1', {}, { runId: '3' }), {})

    expect(list.signs.get('3')).toBe('2026-02-11T16:00:00.000000Z')
  })

  test('is fetched anew when a project is gone, for its runs have lost it', () => {
    expect(follow(list, line('project.deleted', 'p1', {}, { runId: null }), {})).toEqual({ kind: 'all' })
    expect(follow(list, line('project.deleted', 'p2', {}, { runId: null, projectId: 'p2' }), {})).toEqual({ kind: 'nothing' })
  })
})
