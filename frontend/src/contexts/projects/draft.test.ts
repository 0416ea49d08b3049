import { expect, test } from 'vitest'

import { amountOf, customProblems, draftChange, draftOf, rebased } from './draft'
import { aProject } from './projects.fixtures'

test('what was not touched is not sent', () => {
  const seen = aProject({ name: ' odd ', description: null, category: '', milestones: [{ due: 'soon' }], cost: { total: 5, cloud: 2 } })

  expect(draftChange(draftOf(seen), seen)).toEqual({})
})

test('only changed fields are sent, and what else money holds stays', () => {
  const seen = aProject({ category: 'data', cost: { total: 5, cloud: 2 } })
  const draft = { ...draftOf(seen), name: ' Gemini ', category: ' ', cost: '6', tags: ['a'] }

  expect(draftChange(draft, seen)).toEqual({ name: 'Gemini', category: null, cost: { total: 6, cloud: 2 }, tags: ['a'] })
})

test('a new project has only what was filled in', () => {
  expect(draftChange({ ...draftOf(), name: 'New', revenue: '3' })).toEqual({ name: 'New', revenue: { total: 3 } })
})

test('further fields are text or JSON, and null stands for a removed one', () => {
  const seen = aProject({ summary: 'short', risks: [1] })
  const draft = draftOf(seen)
  const custom = [
    { name: 'summary', kind: 'json' as const, value: 'null' },
    { name: 'risks', kind: 'json' as const, value: '[1]' },
    { name: 'owner', kind: 'text' as const, value: 'Ada' },
    { name: 'size', kind: 'json' as const, value: '3' },
  ]

  expect(draft.custom.map(({ name, kind }) => [name, kind])).toEqual([['summary', 'text'], ['risks', 'json']])
  expect(draftChange({ ...draft, custom }, seen)).toEqual({ summary: null, owner: 'Ada', size: 3 })
})

test('names of further fields are new and not empty, and their JSON is JSON', () => {
  const field = (name: string, value = '1') => ({ name, kind: 'json' as const, value })

  expect(customProblems([field('a'), field(' '), field('status'), field('a'), field('b', '{')])).toEqual([undefined, 'name', 'taken', 'twice', 'json'])
})

test('what somebody else saves is shown where nothing was typed', () => {
  const seen = aProject({ risks: 'few' })
  const typed = { ...draftOf(seen), name: 'Mine', custom: [...draftOf(seen).custom, { name: 'owner', kind: 'text' as const, value: 'Ada' }] }
  const newer = aProject({ name: 'Theirs', progress: 50, risks: 'many', updatedAt: '2026-01-03T00:00:00.000000Z' })

  const { draft, seen: base } = rebased(typed, seen, newer)

  expect(draft).toMatchObject({ name: 'Mine', progress: 50, custom: [{ name: 'risks', value: 'many' }, { name: 'owner', value: 'Ada' }] })
  expect(draftChange(draft, base)).toEqual({ name: 'Mine', owner: 'Ada' })
  expect(base).toMatchObject({ name: 'Apollo', updatedAt: seen.updatedAt })
})

test('where nothing was typed at all, the panel shows what is there now', () => {
  const seen = aProject()
  const newer = aProject({ name: 'Theirs' })

  expect(rebased(draftOf(seen), seen, newer)).toEqual({ draft: draftOf(newer), seen: newer })
})

test('amounts are read with or without commas', () => {
  expect(['', '1,234.5', ' 7 ', '.5', '3.'].map(amountOf)).toEqual([0, 1234.5, 7, 0.5, 3])
  expect(['-1', 'x', '1e3', '1.2.3'].map(amountOf)).toEqual([undefined, undefined, undefined, undefined])
})
