import { expect, test } from 'vitest'

import { changedMeanwhile, difference, draftOf, hasText, type Field } from './catalog'

const FIELDS: Field[] = [
  { name: 'name', kind: 'line', label: 'Name' },
  { name: 'skills', kind: 'list', label: 'Skills' },
  { name: 'permissions', kind: 'object', label: 'Permissions' },
]
const ENTRY = { id: 'a', name: 'Planner', skills: ['one', 2], permissions: { shell: 'none' }, enabled: true, createdAt: '', updatedAt: '' }

test('what nobody touched is not sent', () => {
  const draft = draftOf(ENTRY, FIELDS)

  expect(difference(draft, { ...draft }, FIELDS, ENTRY)).toEqual({ change: {}, invalid: [] })
})

test('only the fields that changed are sent', () => {
  const draft = draftOf(ENTRY, FIELDS)

  expect(difference(draft, { ...draft, name: 'Coder', enabled: false }, FIELDS, ENTRY).change).toEqual({ name: 'Coder', enabled: false })
})

test('an item of a list that is no text stays what it is when others are added', () => {
  const draft = draftOf(ENTRY, FIELDS)

  expect(difference(draft, { ...draft, skills: ['one', '2', 'three'] }, FIELDS, ENTRY).change).toEqual({ skills: ['one', 2, 'three'] })
})

test.each(['{', '[1]', '"text"', '5', 'null'])('%s is refused as an object', (permissions) => {
  const draft = draftOf(ENTRY, FIELDS)

  expect(difference(draft, { ...draft, permissions }, FIELDS, ENTRY)).toEqual({ change: {}, invalid: ['permissions'] })
})

test('an emptied object is the empty object', () => {
  const draft = draftOf(ENTRY, FIELDS)

  expect(difference(draft, { ...draft, permissions: ' ' }, FIELDS, ENTRY).change).toEqual({ permissions: {} })
})

test('a new entry begins with what it is given', () => {
  expect(draftOf({ id: 'codex', name: 'codex' }, FIELDS)).toEqual({ id: 'codex', name: 'codex', skills: [], permissions: '', enabled: true })
})

test('fields that others changed are named', () => {
  expect(changedMeanwhile(ENTRY, { ...ENTRY, name: 'Other' }, FIELDS)).toEqual(['name'])
  expect(changedMeanwhile(ENTRY, undefined, FIELDS)).toEqual([])
})

test('a search looks into every field', () => {
  expect(hasText(ENTRY, FIELDS, 'PLAN')).toBe(true)
  expect(hasText(ENTRY, FIELDS, 'shell')).toBe(true)
  expect(hasText(ENTRY, FIELDS, 'nothing')).toBe(false)
})
