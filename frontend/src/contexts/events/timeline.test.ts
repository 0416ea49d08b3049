import { describe, expect, test } from 'vitest'

import type { Change } from '@/contexts/history/history.api'
import type { Run } from '@/contexts/runs/runs.api'

import type { Happening } from './events.api'
import { folded, merged, ofChange, ofEvent, ofRun, shortest, together, type Entry } from './timeline'
import { levelOf, matching, worst, type TimelineFilter } from './timeline.filter'
import { dayOf, rows } from './timeline.rows'

const at = (minute: number, day = 11) => `2026-02-${day}T15:${String(minute).padStart(2, '0')}:00.000000Z`
const event = (id: string, minute: number, more: Partial<Happening> = {}): Entry =>
  ofEvent({ id, ts: at(minute), type: 'note', level: 'info', projectId: 'p', runId: null, agentId: 'claude', title: id, message: null, data: null, ...more })
const run = (id: string, minute: number, more: Partial<Run> = {}): Entry =>
  ofRun({ id, projectId: 'p', agentId: 'claude', status: 'running', title: id, createdAt: at(minute), updatedAt: at(minute), startedAt: at(minute), finishedAt: null, ...more })
const change = (seq: number, minute: number, actionId?: string): Entry =>
  ofChange({ seq, ts: at(minute), operation: 'project.updated', actor: { kind: 'agent', id: null, name: null }, requestId: null, action: actionId ? { id: actionId, type: 'set_status', agentId: 'claude', runId: null } : null, reason: null, before: {}, after: {}, undoable: true } satisfies Change)
const keys = (entries: Entry[]) => entries.map(({ key }) => key)
const all: TimelineFilter = { kind: 'all', level: 'all', type: '', agent: '', text: '' }

describe('merging what was read in pages', () => {
  test('puts all kinds into one sequence, newest first', () => {
    const stretches = [
      { entries: [event('a', 5), event('b', 1)], isComplete: true },
      { entries: [run('r', 3)], isComplete: true },
      { entries: [change(7, 4)], isComplete: true },
    ]

    expect(keys(merged(stretches))).toEqual(['event a', 'change 7', 'run r', 'event b'])
  })

  test('shows nothing that is older than what another kind has not read yet', () => {
    const events = { entries: [event('a', 9), event('b', 6)], isComplete: false }
    const runs = { entries: [run('r', 8), run('s', 2)], isComplete: true }

    expect(keys(merged([events, runs]))).toEqual(['event a', 'run r', 'event b'])
    expect(shortest([events, runs])).toBe(events)
  })

  test('shows nothing while one kind has read nothing, and reads that one first', () => {
    const unread = { entries: [], isComplete: false }
    const runs = { entries: [run('r', 8)], isComplete: false }

    expect(merged([runs, unread])).toEqual([])
    expect(shortest([runs, unread])).toBe(unread)
  })

  test('reads on the kind that ends the earliest', () => {
    const events = { entries: [event('a', 9)], isComplete: false }
    const runs = { entries: [run('r', 8), run('s', 2)], isComplete: false }

    expect(shortest([runs, events])).toBe(events)
    expect(shortest([{ entries: [], isComplete: true }])).toBeUndefined()
  })

  test('keeps one of each, the latest', () => {
    const known = [run('r', 3), run('q', 1)]

    const result = together(known, [run('r', 3, { status: 'success' }), run('s', 2)])

    expect(keys(result)).toEqual(['run r', 'run s', 'run q'])
    expect(result[0]).toMatchObject({ run: { status: 'success' } })
  })

  test('puts what has no time behind everything', () => {
    const undated = event('x', 0, { ts: null })

    expect(keys(together([event('a', 1)], [undated]))).toEqual(['event a', 'event x'])
    expect(keys(merged([{ entries: [event('a', 1), undated], isComplete: true }, { entries: [run('r', 0)], isComplete: false }]))).toEqual(['event a', 'run r'])
  })

  test('leaves out a change that an action tells of, and no other', () => {
    const action = event('act', 2, { type: 'action.set_status' })

    expect(keys(folded([action, change(8, 2, 'act'), change(7, 1, 'elsewhere'), change(6, 1)]))).toEqual(['event act', 'change 7', 'change 6'])
  })

  test('is quick with a hundred thousand events', () => {
    const entries = Array.from({ length: 100_000 }, (_, index) => ofEvent({ id: String(index), ts: new Date(1e12 - index * 1000).toISOString(), type: 'note', level: 'info', projectId: 'p', runId: `r${index % 7}`, agentId: 'a', title: 'x', message: null, data: null }))
    const began = performance.now()

    const list = merged([{ entries: together(entries, [event('new', 1)]), isComplete: true }, { entries: [run('r', 1)], isComplete: true }]).filter(matching(all))
    const lines = rows(list, { isGrouped: true, isOpen: () => true, run: () => undefined })

    expect(lines.length).toBeGreaterThan(100_000)
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

describe('looking at a part', () => {
  test.each<[Partial<TimelineFilter>, string[]]>([
    [{ kind: 'runs' }, ['run r']],
    [{ kind: 'actions' }, ['event act']],
    [{ kind: 'changes' }, ['change 7']],
    [{ type: 'risk' }, ['event bad']],
    [{ level: 'error' }, ['run r']],
    [{ level: 'warn' }, ['event bad', 'run r']],
    [{ text: 'DISK' }, ['event bad']],
    [{ agent: 'codex' }, ['run r']],
  ])('%j', (part, expected) => {
    const entries = [event('a', 9), event('bad', 8, { level: 'warn', type: 'risk', message: 'the disk is full' }), event('act', 7, { type: 'action.set_status' }), change(7, 6), run('r', 5, { status: 'failed', agentId: 'codex' })]

    expect(keys(entries.filter(matching({ ...all, ...part })))).toEqual(expected)
  })

  test('a word of another system counts as info', () => {
    expect(levelOf(event('a', 1, { level: 'notice' }))).toBe('notice')
    expect(matching({ ...all, level: 'info' })(event('a', 1, { level: 'notice' }))).toBe(true)
    expect(worst([event('a', 1), event('b', 1, { level: 'error' })])).toBe('error')
    expect(worst([])).toBe('debug')
  })
})

describe('lines of the list', () => {
  const arrangement = { isGrouped: true, isOpen: () => true, run: () => undefined }

  test('entries of one run stand under it, where its newest entry is', () => {
    const entries = [event('c', 9, { runId: 'r' }), event('x', 8), event('b', 7, { runId: 'r' }), run('r', 6)]

    const lines = rows(entries, arrangement)

    expect(lines.map(({ key }) => key)).toEqual([`day ${dayOf(at(9))}`, `group ${dayOf(at(9))} r`, 'event c', 'event b', 'event x'])
    expect(lines[1]).toMatchObject({ run: { id: 'r' } })
  })

  test('a run that went on over days stands on each of them', () => {
    const entries = [event('c', 9, { runId: 'r', ts: at(9, 13) }), event('b', 7, { runId: 'r', ts: at(7, 13) }), run('r', 6)]

    const lines = rows(entries, { ...arrangement, isOpen: () => false, run: (id) => (id === 'r' ? { id } as Run : undefined) })

    expect(lines.map(({ kind }) => kind)).toEqual(['day', 'group', 'day', 'group'])
  })

  test('a single event of a run that nobody knows stands alone', () => {
    expect(rows([event('a', 1, { runId: 'gone' })], arrangement).map(({ kind }) => kind)).toEqual(['day', 'entry'])
  })

  test('a closed group shows nothing of its entries', () => {
    expect(rows([event('a', 2, { runId: 'r' }), run('r', 1)], { ...arrangement, isOpen: () => false }).map(({ kind }) => kind)).toEqual(['day', 'group'])
  })

  test('without groups every entry has its line', () => {
    expect(rows([event('a', 2, { runId: 'r' }), event('b', 1, { runId: 'r' })], { ...arrangement, isGrouped: false }).map(({ kind }) => kind)).toEqual(['day', 'entry', 'entry'])
  })
})
