import { expect, test } from 'vitest'

import { i18n } from '@/app/i18n'

import { ago, amount, bytes, compact, cost, duration } from './format'

test('costs show what there is, down to fractions of a cent', () => {
  expect(cost(12.5)).toBe('$12.50')
  expect(cost(0.0012)).toBe('$0.0012')
  expect(cost(0)).toBe('$0.00')
})

test('amounts of projects have a currency of their own', () => {
  expect(amount(1234)).toBe('¥1,234')
  expect(amount(1234.5)).toBe('¥1,234.50')
})

test('durations are two units long at most', () => {
  expect(duration(450)).toBe('450 ms')
  expect(duration(59_999)).toBe('59s')
  expect(duration(3_723_000)).toBe('1h 2m')
  expect(duration(90_000_000)).toBe('1d 1h')
  expect(duration(Number.NaN)).toBe('–')
})

test('times are told from now on', () => {
  const now = Date.parse('2026-02-11T12:00:00Z')
  expect(ago('2026-02-11T11:59:58Z', now)).toBe('now')
  expect(ago('2026-02-11T09:00:00Z', now)).toBe('3 hr. ago')
  expect(ago('not a time', now)).toBe('not a time')
})

test('large counts are rounded', () => {
  expect(compact(31_456_789)).toBe('31.5M')
})

test('durations are Chinese where the page is', () => {
  i18n.global.locale.value = 'zh'

  expect(duration(8_100_000)).toBe('2 小时 15 分')

  i18n.global.locale.value = 'en'
})

test('sizes have the unit that fits', () => {
  expect(bytes(0)).toBe('0 B')
  expect(bytes(1023)).toBe('1,023 B')
  expect(bytes(9_826_304)).toBe('9.4 MiB')
  expect(bytes(21_191_872_512)).toBe('19.7 GiB')
  expect(bytes(Number.NaN)).toBe('–')
})
