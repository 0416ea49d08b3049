import { beforeEach, expect, test } from 'vitest'

import { areTexts, oneOf, remembered } from './remembered'

beforeEach(() => localStorage.clear())

test.each(['null', '{"0":"a"}', '[1,', '5', '"text"', '[{}]'])('%s is no list of texts', (kept) => {
  localStorage.setItem('pilotdeck.list', kept)

  expect(remembered<string[]>('list', ['first'], areTexts).value).toEqual(['first'])
})

test.each(['NaN', 'many', 'null', '1e999', '-3'])('%s is no number of minutes', (kept) => {
  localStorage.setItem('pilotdeck.minutes', kept)

  expect(remembered('minutes', 15, (minutes) => minutes >= 1).value).toBe(15)
})

test('a word that nobody knows is not taken', () => {
  localStorage.setItem('pilotdeck.word', 'klingon')

  expect(remembered('word', 'auto', oneOf('auto', 'en')).value).toBe('auto')
})

test('what is kept is read again, in the form that the page reads before its first paint', () => {
  remembered('theme', 'dark')
  expect(localStorage.getItem('pilotdeck.theme')).toBe('dark')
  localStorage.setItem('pilotdeck.minutes', '30')

  expect(remembered('theme', 'auto').value).toBe('dark')
  expect(remembered('minutes', 15).value).toBe(30)
})
