import { expect, test } from 'vitest'

import { inDays, isOver, keyCommand } from './keys'

test('an expiry is never later than so many days from now', () => {
  expect(inDays(30, 0) < new Date(30 * 86_400_000).toISOString()).toBe(true)
  expect(inDays(30, 0).startsWith('1970-01-30T23:59')).toBe(true)
})

test('what has no end is never over', () => {
  expect(isOver(null, Date.now())).toBe(false)
  expect(isOver('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:00Z'))).toBe(true)
  expect(isOver('2026-01-02T00:00:00Z', Date.parse('2026-01-01T00:00:00Z'))).toBe(false)
})

test('the first call is one that the key may make', () => {
  expect(keyCommand('http://h', 'pd_1', ['read', 'write'])).toBe("curl -s http://h/api/projects \\\n  -H 'X-API-Key: pd_1'")
  expect(keyCommand('http://h', 'pd_1', ['ingest'])).toContain('/api/agent/usage')
})
