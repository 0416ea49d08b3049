import { expect, test } from 'vitest'

import { columnsOf } from './board'
import { countsOf, filtered, filtersFrom, filtersQuery, isFiltered } from './filters'
import { aProject } from './projects.fixtures'

const none = filtersFrom({})

test('filters survive the way through an address', () => {
  const filters = { status: ['paused'], priority: ['high', 'low'], category: ['', 'data'], tag: ['p1'], text: 'a b', archive: true }

  expect(filtersFrom(filtersQuery(filters) as never)).toEqual(filters)
  expect(filtersQuery(none)).toEqual({})
  expect(isFiltered(none)).toBe(false)
  expect(isFiltered({ ...none, archive: true })).toBe(false)
  expect(isFiltered({ ...none, category: [''] })).toBe(true)
})

test('one value of each list must match', () => {
  const [one, other] = [aProject({ id: 'one', priority: 'high', tags: ['a', 'b'] }), aProject({ id: 'other', priority: 'low', category: 'data' })]
  const ids = (change: object) => filtered([one, other], { ...none, ...change }).shown.map(({ id }) => id)

  expect(ids({ priority: ['high', 'urgent'] })).toEqual(['one'])
  expect(ids({ tag: ['b', 'c'] })).toEqual(['one'])
  expect(ids({ category: [''] })).toEqual(['one'])
  expect(ids({ category: ['data'], priority: ['high'] })).toEqual([])
})

test('text is looked for in the name, the description, the notes and the id', () => {
  const project = aProject({ id: 'proj-77', name: 'Search', description: 'Ranking', notes: '相关性' })
  const finds = (text: string) => filtered([project], { ...none, text }).shown.length === 1

  expect(['sea', 'RANK', '相关', 'proj-77', 'search rank'].map(finds)).toEqual([true, true, true, true, true])
  expect(finds('search nothing')).toBe(false)
})

test('finished projects are out of the way, and counted', () => {
  const all = [aProject({ id: 'a' }), aProject({ id: 'b', status: 'completed' }), aProject({ id: 'c', status: 'cancelled' })]

  expect(filtered(all, none)).toMatchObject({ shown: [{ id: 'a' }], hidden: 2 })
  expect(filtered(all, { ...none, archive: true })).toMatchObject({ hidden: 0 })
  expect(filtered(all, { ...none, status: ['completed'] })).toMatchObject({ shown: [{ id: 'b' }], hidden: 0 })
})

test('the board has a column for every status, folded where the finished ones are out of the way', () => {
  const all = [aProject({ id: 'a', status: 'planning' }), aProject({ id: 'b', status: 'completed' }), aProject({ id: 'c', status: 'waiting' })]

  const columns = columnsOf(filtered(all, none).shown, all, false)

  expect(columns.map(({ status, count, isFolded }) => [status, count, isFolded])).toEqual([
    ['planning', 1, false],
    ['in-progress', 0, false],
    ['paused', 0, false],
    ['waiting', 1, false],
    ['completed', 1, true],
    ['cancelled', 0, true],
  ])
  expect(columnsOf(all, all, false, ['completed']).map(({ status, isFolded }) => [status, isFolded])).toEqual([['completed', false]])
})

test('every value is counted once for each project that has it', () => {
  const counts = countsOf([aProject({ id: 'a', priority: 'high', tags: ['web', 'web'] }), aProject({ id: 'b', priority: 'high', category: null, tags: ['web'] })])

  expect(counts.priority.get('high')).toBe(2)
  expect(counts.tag.get('web')).toBe(2)
  expect(counts.category.get('')).toBeGreaterThan(0)
})
