import { expect, test } from 'vitest'

import type { Project } from '@/contexts/projects/projects.api'

import { fittingRange, rows, ticks } from './gantt'
import type { Run } from './insights.api'

const NOW = Date.parse('2026-02-11T12:00:00Z')
const HOUR = 3_600_000
const ago = (hours: number) => new Date(NOW - hours * HOUR).toISOString()
const project = (id: string) => ({ id, name: id, createdAt: ago(1000) }) as Project
const run = (id: string, fields: Partial<Run>) => ({ id, projectId: 'a', status: 'success', ...fields }) as Run
const isFinal = ({ status }: Run) => status === 'success'

test('a run is a bar from its begin to its end', () => {
  const [row] = rows([project('a')], [run('r', { startedAt: ago(12), finishedAt: ago(6) })], 1, NOW, isFinal)

  expect(row?.bars[0]).toMatchObject({ left: 50, width: 25 })
})

test('a run that goes on reaches until now, one that is over without an end until its last change', () => {
  const [row] = rows([project('a')], [run('live', { status: 'running', startedAt: ago(6) }), run('over', { startedAt: ago(12), updatedAt: ago(6) })], 1, NOW, isFinal)

  expect(row?.bars.map(({ left, width }) => left + width)).toEqual([100, 75])
})

test('what ended before the chart begins is not on it, and what began before is cut off', () => {
  const [row] = rows([project('a')], [run('old', { startedAt: ago(60), finishedAt: ago(50) }), run('long', { startedAt: ago(60), finishedAt: ago(12) })], 1, NOW, isFinal)

  expect(row?.bars).toHaveLength(1)
  expect(row?.bars[0]).toMatchObject({ left: 0, width: 50 })
})

test('the project with the newest run comes first, those without any last', () => {
  const order = rows([project('none'), project('a'), project('b')], [run('1', { startedAt: ago(10) }), run('2', { projectId: 'b', startedAt: ago(2) })], 1, NOW, isFinal)

  expect(order.map((row) => row.project.id)).toEqual(['b', 'a', 'none'])
})

test('runs without usable times are left out', () => {
  const [row] = rows([project('a')], [run('odd', { startedAt: 'never', createdAt: null })], 1, NOW, isFinal)

  expect(row?.bars).toEqual([])
})

test('the range fits what there is', () => {
  expect(fittingRange([run('1', { startedAt: ago(100) })], NOW)).toBe(7)
  expect(fittingRange([], NOW)).toBe(365)
})

test('ticks are spread over the axis', () => {
  expect(ticks(1, NOW, 4).map(({ left }) => left)).toEqual([0, 25, 50, 75])
})
