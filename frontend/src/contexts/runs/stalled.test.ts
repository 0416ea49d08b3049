import { describe, expect, test } from 'vitest'

import { isFinal, isStalled, lastSign } from './stalled'

const NOON = Date.parse('2026-02-11T12:00:00Z')

describe('a run', () => {
  test.each(['success', 'completed', 'failed', 'error', 'cancelled', 'canceled', 'done', 'finished', ' Success ', 'Timed_Out'])('is over when it says %j', (status) => {
    expect(isFinal({ status })).toBe(true)
  })

  test.each(['running', 'queued', 'blocked', '部署中', '', null])('is not over when it says %j', (status) => {
    expect(isFinal({ status })).toBe(false)
  })

  test('is stalled once its last sign is as old as the limit', () => {
    expect(isStalled({ status: 'running' }, '2026-02-11T11:45:00Z', NOON, 15)).toBe(true)
    expect(isStalled({ status: 'running' }, '2026-02-11T11:45:01Z', NOON, 15)).toBe(false)
  })

  test('that is over is never stalled', () => {
    expect(isStalled({ status: 'failed' }, '2020-01-01T00:00:00Z', NOON, 15)).toBe(false)
  })

  test('without a time that can be read is not called stalled', () => {
    expect(isStalled({ status: 'running' }, null, NOON, 15)).toBe(false)
    expect(isStalled({ status: 'running' }, 'yesterday', NOON, 15)).toBe(false)
  })

  test('lived when it was changed or heard of, whichever is later', () => {
    const run = { updatedAt: '2026-02-11T11:00:00.000000Z', startedAt: null, createdAt: null }

    expect(lastSign(run, '2026-02-11T11:30:00.000000Z')).toBe('2026-02-11T11:30:00.000000Z')
    expect(lastSign(run, '2026-02-11T10:30:00.000000Z')).toBe('2026-02-11T11:00:00.000000Z')
    expect(lastSign({ updatedAt: null, startedAt: null, createdAt: null }, undefined)).toBeNull()
  })
})
