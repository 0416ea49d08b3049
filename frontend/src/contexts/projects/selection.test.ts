import { expect, test } from 'vitest'

import { useSelection } from './selection'

const ids = ['a', 'b', 'c', 'd']

test('shift chooses everything from the last choice on', () => {
  const selection = useSelection(() => ids)

  selection.toggle('b')
  selection.extend('d')

  expect(selection.selected.value).toEqual(['b', 'c', 'd'])
  expect(selection.active.value).toBe('d')
})

test('steps move, and with shift they choose the way', () => {
  const selection = useSelection(() => ids)

  expect([selection.step(1), selection.step(1), selection.step(-5)]).toEqual(['a', 'b', 'a'])
  selection.step(1, true)
  selection.step(1, true)

  expect(selection.selected.value).toEqual(['a', 'b', 'c'])
})

test('what is not shown any more is not chosen', () => {
  let shown = ids
  const selection = useSelection(() => shown)

  selection.all()
  expect(selection.isAll.value).toBe(true)
  shown = ['a']
  selection.toggle('b')

  expect(selection.has('b')).toBe(false)
})
