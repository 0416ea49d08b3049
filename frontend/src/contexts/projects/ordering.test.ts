import { expect, test } from 'vitest'

import { permuted, placed, sorted, sortFrom, sortText } from './ordering'
import { aProject } from './projects.fixtures'
import { gapAt } from './useDragging'

test('the visible ones are permuted in place, and the hidden ones keep their positions', () => {
  expect(permuted(['a', 'X', 'b', 'Y', 'c'], ['c', 'a', 'b'])).toEqual(['c', 'X', 'a', 'Y', 'b'])
  expect(permuted(['a', 'b'], [])).toEqual(['a', 'b'])
  expect(permuted(['a', 'b', 'c'], ['c', 'gone', 'a', 'c'])).toEqual(['c', 'b', 'a'])
})

test('something is put before or after something else', () => {
  expect(placed(['a', 'b', 'c'], 'c', { before: 'a' })).toEqual(['c', 'a', 'b'])
  expect(placed(['a', 'b', 'c'], 'a', { after: 'b' })).toEqual(['b', 'a', 'c'])
  expect(placed(['a', 'b'], 'a', { before: 'gone' })).toEqual(['a', 'b'])
  expect(placed(['a', 'b'], 'a', {})).toEqual(['a', 'b'])
  expect(placed(['a', 'b'], 'gone', { before: 'a' })).toEqual(['a', 'b'])
})

test('urgent comes first, and words of others last; equals stay as they were put', () => {
  const projects = ['low', 'someday', 'urgent', 'low'].map((priority, at) => aProject({ id: String(at), priority }))

  expect(sorted(projects, sortFrom('priority')).map(({ id }) => id)).toEqual(['2', '0', '3', '1'])
  expect(sorted(projects, sortFrom('-priority')).map(({ id }) => id)).toEqual(['1', '0', '3', '2'])
  expect(sorted(projects, sortFrom('manual'))).toBe(projects)
})

test('numbers in names count as numbers, and money is what was spent', () => {
  const projects = [aProject({ id: 'a', name: 'Wave 10', cost: { total: 5 } }), aProject({ id: 'b', name: 'wave 2', cost: { total: 9 } })]

  expect(sorted(projects, sortFrom('name')).map(({ id }) => id)).toEqual(['b', 'a'])
  expect(sorted(projects, sortFrom('-spent')).map(({ id }) => id)).toEqual(['b', 'a'])
})

test('an order survives the way through an address', () => {
  expect(['manual', 'name', '-updated'].map((text) => sortText(sortFrom(text)))).toEqual(['manual', 'name', '-updated'])
  expect([sortFrom('-manual'), sortFrom('nonsense'), sortFrom(['name'])].map(({ key }) => key)).toEqual(['manual', 'manual', 'manual'])
})

test('a drop falls between two things of a list or a grid', () => {
  const box = (id: string, left: number, top: number) => ({ id, left, right: left + 10, top, bottom: top + 10 })
  const list = [box('a', 0, 0), box('b', 0, 10)]
  const grid = [box('a', 0, 0), box('b', 10, 0), box('c', 0, 10)]

  expect(gapAt(list, 5, 12, false)).toEqual({ before: 'b' })
  expect(gapAt(list, 5, 19, false)).toEqual({ after: 'b' })
  expect(gapAt(grid, 12, 5, true)).toEqual({ before: 'b' })
  expect(gapAt(grid, 19, 5, true)).toEqual({ before: 'c' })
  expect(gapAt([], 0, 0, false)).toEqual({ after: undefined })
})
