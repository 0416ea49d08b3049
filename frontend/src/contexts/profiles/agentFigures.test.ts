import { expect, test } from 'vitest'

import { figuresOf, namesOf, strangers } from './agentFigures'

const sum = (agentId: string, totalTokens: number, cost: number) => ({
  agentId,
  totalTokens,
  cost,
  promptTokens: 0,
  completionTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  records: 1,
  unpricedRecords: cost ? 0 : 1,
  unpricedTokens: cost ? 0 : totalTokens,
})

test('a profile works under its id and its name', () => {
  const runs = new Map([['agent-1', { total: 2, last: '2026-01-01' }], ['Planner', { total: 3, last: '2026-02-01' }]])

  const figures = figuresOf(namesOf({ id: 'agent-1', name: 'Planner' }), runs, [sum('Planner', 100, 0.5), sum('other', 900, 9)])

  expect(figures).toEqual({ runs: 5, last: '2026-02-01', tokens: 100, cost: 0.5, unpriced: 0 })
})

test('tokens without a price are unpriced, not free', () => {
  expect(figuresOf(['a'], new Map(), [sum('a', 100, 0)]).cost).toBeUndefined()
  expect(figuresOf(['a'], new Map(), []).cost).toBe(0)
})

test('who has no profile is a stranger; usage of nobody is nobody', () => {
  expect(strangers(['claude', 'Planner', 'unassigned', 'claude', ''], [{ id: 'agent-1', name: 'Planner' }])).toEqual(['claude'])
})
