import { expect, test } from 'vitest'

import { asTimes, daysBefore, daysOf, eachDay } from './periods'

const NOW = Date.parse('2026-03-01T00:30:00Z')

test('a period of days ends today and has as many days as it says', () => {
  const days = daysOf('7d', NOW)

  expect(days).toEqual({ first: '2026-02-23', last: '2026-03-01' })
  expect(eachDay(days.first ?? '', days.last)).toHaveLength(7)
})

test('the last month is the whole of it', () => {
  expect(daysOf('last-month', NOW)).toEqual({ first: '2026-02-01', last: '2026-02-28' })
})

test('the period before is as long and ends the day before', () => {
  expect(daysBefore({ first: '2026-02-23', last: '2026-03-01' })).toEqual({ first: '2026-02-16', last: '2026-02-22' })
  expect(daysBefore({ last: '2026-03-01' })).toBeUndefined()
})

test('the last day counts to its last microsecond', () => {
  expect(asTimes({ first: '2026-02-01', last: '2026-02-28' })).toEqual({ since: '2026-02-01T00:00:00.000000Z', until: '2026-02-28T23:59:59.999999Z' })
})

test('an absurd range does not fill the memory', () => {
  expect(eachDay('0001-01-01', '9999-12-31').length).toBeLessThan(4000)
})
