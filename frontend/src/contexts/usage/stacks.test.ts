import { expect, test } from 'vitest'

import type { Schemas } from '@/api/client'

import { stacked } from './stacks'

const row = (day: string, key: string, cost: number) => ({ day, key, cost }) as Schemas['SeriesSumView']
const cost = (sums: { cost: number }) => sums.cost

test('every key is a stack over all days, the largest first', () => {
  const stacks = stacked([row('d1', 'small', 1), row('d1', 'large', 5), row('d3', 'small', 2)], ['d1', 'd2', 'd3'], cost)

  expect(stacks).toEqual([
    { key: 'large', values: [5, 0, 0] },
    { key: 'small', values: [1, 0, 2] },
  ])
})

test('what is too small for a colour of its own is together at the end, and nothing is lost', () => {
  const rows = Array.from({ length: 20 }, (_, index) => row('d1', `key-${index}`, index + 1))

  const stacks = stacked(rows, ['d1'], cost)

  expect(stacks).toHaveLength(8)
  expect(stacks.at(-1)?.key).toBeUndefined()
  expect(stacks.reduce((sum, { values }) => sum + (values[0] ?? 0), 0)).toBe(210)
})

test('eight keys need no rest of one', () => {
  const rows = Array.from({ length: 8 }, (_, index) => row('d1', `key-${index}`, index + 1))

  expect(stacked(rows, ['d1'], cost).every(({ key }) => key !== undefined)).toBe(true)
})
