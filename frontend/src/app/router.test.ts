import { expect, test } from 'vitest'

import { safeReturn } from './router'

test('the sign-in returns to a page of this console and to no other site', () => {
  expect(safeReturn('/runs?status=failed')).toBe('/runs?status=failed')
  for (const trick of ['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)', '/login?return=/x', undefined, ['/a']]) expect(safeReturn(trick)).toBe('/')
})
