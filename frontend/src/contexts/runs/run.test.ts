import { describe, expect, test } from 'vitest'

import { figuresOf, linksOf } from './facts'
import type { Run } from './runs.api'
import { isFinal, isStalled, lastSign } from './stalled'

const NOW = Date.parse('2026-02-11T16:00:00Z')
const run = (fields: Record<string, unknown> = {}) => ({ id: 'r', projectId: null, agentId: null, status: 'running', createdAt: null, updatedAt: '2026-02-11T15:00:00Z', startedAt: '2026-02-11T14:00:00Z', finishedAt: null, ...fields }) as Run

describe('a run without a sign of life', () => {
  test.each<[string, Record<string, unknown>, string | null, boolean]>([
    ['is stalled after the set time', {}, '2026-02-11T15:45:00Z', true],
    ['is alive before it', {}, '2026-02-11T15:45:01Z', false],
    ['is judged by its last change when nothing else is known', {}, null, true],
    ['is not stalled when it is over', { status: 'success' }, null, false],
    ['is judged like a running one with a word of another system', { status: 'thinking' }, null, true],
    ['is not judged where no time is known', { updatedAt: null, startedAt: null }, null, false],
  ])('%s', (_name, fields, sign, expected) => {
    expect(isStalled(run(fields), sign, NOW, 15)).toBe(expected)
  })

  test('is over in whatever case the word is written', () => {
    expect(isFinal({ status: ' FAILED' })).toBe(true)
    expect(isFinal({ status: 'Timed_Out' })).toBe(true)
    expect(isFinal({ status: null })).toBe(false)
  })

  test('lived when it was changed or heard of, whichever is later', () => {
    expect(lastSign(run(), '2026-02-11T15:30:00Z')).toBe('2026-02-11T15:30:00Z')
    expect(lastSign(run(), '2026-02-11T10:30:00Z')).toBe('2026-02-11T15:00:00Z')
    expect(lastSign(run({ updatedAt: null, startedAt: null }), undefined)).toBeNull()
  })
})

describe('what a run says of itself', () => {
  test('only web addresses become links', () => {
    expect(linksOf(run({ links: ['https://a.b/c', 'javascript:alert(1)', { title: 'PR', url: 'https://x' }, { title: 'PR', url: 'x' }, { odd: 1 }] }))).toEqual([
      { label: 'https://a.b/c', href: 'https://a.b/c' },
      { label: 'javascript:alert(1)' },
      { label: 'PR', href: 'https://x' },
      { label: 'PR: x' },
      { label: '{"odd":1}' },
    ])
  })

  test('figures come from its usage, or from its metrics, or are unknown', () => {
    expect(figuresOf(run({ usage: { inputTokens: 1, totalTokens: 3, cost: 0.5, model: 'm' }, metrics: { tokens: 9 } }))).toEqual({ input: 1, total: 3, cost: 0.5, model: 'm', origin: 'usage' })
    expect(figuresOf(run({ metrics: { tokens: 9 } }))).toEqual({ total: 9, origin: 'metrics' })
    expect(figuresOf(run({ metrics: { tokens: 'many' } }))).toBeUndefined()
  })
})
