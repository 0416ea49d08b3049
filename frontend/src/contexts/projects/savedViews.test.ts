import { expect, test } from 'vitest'

import { isSameView, renamedView, withView } from './savedViews'

test('two addresses show the same whatever the order of their parts', () => {
  expect(isSameView({ view: 'board', tag: ['a', 'b'] }, { tag: ['b', 'a'], view: ['board'] })).toBe(true)
  expect(isSameView({ status: 'paused' }, { status: ['paused'], archive: undefined })).toBe(true)
  expect(isSameView({ status: 'paused' }, {})).toBe(false)
})

test('names of views are unique', () => {
  const views = [{ name: 'a', query: {} }, { name: 'b', query: {} }]

  expect(withView(views, { name: 'a', query: { q: 'x' } })).toEqual([{ name: 'a', query: { q: 'x' } }, views[1]])
  expect(withView(views, { name: 'c', query: {} })).toHaveLength(3)
  expect(renamedView(views, 'a', 'b')).toEqual([{ name: 'b', query: {} }])
})
