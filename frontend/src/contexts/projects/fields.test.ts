import { expect, test } from 'vitest'

import { tagsIn, totalIn, withTotal } from './fields'
import type { Project } from './projects.api'

test.each([
  [null, []],
  ['one, two，three', ['one', 'two', 'three']],
  [['a', 1, null, { b: 2 }, []], ['a', '1', '{"b":2}', '[]']],
  [{ a: 1 }, []],
])('tags that are %j', (tags, shown) => {
  expect(tagsIn({ tags } as unknown as Project)).toEqual(shown)
})

test.each([[null, 0], [5, 5], ['12', 12], [{ total: 'a' }, 0], [{ total: '7.5' }, 7.5], [[], 0], [{ total: 3, note: 'x' }, 3]])('the total of %j', (money, total) => {
  expect(totalIn(money)).toBe(total)
})

test('another total leaves the rest as it was, and a field that was none becomes one', () => {
  expect(withTotal({ total: 1, currency: 'EUR' }, 2)).toEqual({ total: 2, currency: 'EUR' })
  expect(withTotal('12', 2)).toEqual({ total: 2 })
})
