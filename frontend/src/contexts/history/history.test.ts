import { describe, expect, test } from 'vitest'

import { equal, fieldChanges, formOf, tagChanges, text, total } from './changes'
import { combined, diffLines, shortened } from './lines'

describe('fields that changed', () => {
  test('leave out what belongs to the row and what is the same', () => {
    const before = { status: 'planning', cost: { total: 1, a: 2 }, updatedAt: 'v1' }
    const after = { status: 'paused', cost: { a: 2, total: 1 }, updatedAt: 'v2', odd: null }

    expect(fieldChanges(before, after)).toEqual([
      { field: 'status', before: 'planning', after: 'paused' },
      { field: 'odd', before: undefined, after: null },
    ])
  })

  test.each([
    ['status', 'planning', 'paused', 'status'],
    ['status', 1, 'paused', 'data'],
    ['tags', ['a'], [1], 'tags'],
    ['cost', { total: 3 }, 4, 'money'],
    ['cost', { total: 3, cloud: 1 }, { total: 4 }, 'data'],
    ['progress', 1, 2, 'percent'],
    ['name', 'a', 'b', 'line'],
    ['notes', 'a', 'a\nb', 'text'],
    ['orders', [], [{ id: 1 }], 'data'],
    ['count', 1, 2, 'line'],
  ])('%s is shown by what it is', (field, before, after, form) => {
    expect(formOf({ field, before, after })).toBe(form)
  })

  test('tags are told as added and removed', () => {
    expect(tagChanges(['a', 'b', 'b'], ['b', 'c', 3])).toEqual({ added: ['c', '3'], removed: ['a', 'b'] })
    expect(tagChanges(undefined, ['x'])).toEqual({ added: ['x'], removed: [] })
  })

  test('values are compared by what they say', () => {
    expect(equal({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toBe(true)
    expect(equal([1], { 0: 1 })).toBe(false)
    expect(equal(null, {})).toBe(false)
    expect(total({ total: 2, more: 1 })).toBeUndefined()
    expect(text({ a: 1 })).toBe('{\n  "a": 1\n}')
  })
})

describe('a text, line by line', () => {
  const told = (before: string, after: string) => diffLines(before, after).map((line) => (line.kind === 'gap' ? '…' : `${{ same: ' ', removed: '-', added: '+' }[line.kind]}${line.text}`))

  test('finds what was put in, taken out and replaced', () => {
    expect(told('a\nb\nc\nd', 'a\nx\nc\nd\ne')).toEqual([' a', '-b', '+x', ' c', ' d', '+e'])
  })

  test('an empty text has no line', () => {
    expect(told('', 'a')).toEqual(['+a'])
    expect(told('a', '')).toEqual(['-a'])
    expect(told('', '')).toEqual([])
  })

  test('both texts can be read back from it', () => {
    const [before, after] = ['1\n2\n3\n2\n1\n9', '2\n3\n3\n1\n8\n9']
    const lines = diffLines(before, after)
    const side = (kind: string) => lines.flatMap((line) => (line.kind === 'same' || line.kind === kind ? ['text' in line ? line.text : ''] : [])).join('\n')

    expect(side('removed')).toBe(before)
    expect(side('added')).toBe(after)
  })

  test('what is far from a difference is counted', () => {
    const lines = shortened(diffLines('1\n2\n3\n4\n5\n6\n7', '1\n2\n3\n4\n5\n6\n8'))

    expect(lines[0]).toEqual({ kind: 'gap', count: 4 })
    expect(lines).toHaveLength(5)
  })

  test.each([
    ['what each changed elsewhere', 'a\nb\nc', 'A\nb\nc', 'a\nb\nc\nd', 'A\nb\nc\nd'],
    ['both versions of the same line', 'a\nb', 'x\nb', 'y\nb', 'x\ny\nb'],
    ['the same change only once', 'a', 'a\nnew', 'a\nnew', 'a\nnew'],
    ['what was written on an empty text', '', 'theirs', 'mine', 'theirs\nmine'],
  ])('two people’s texts together hold %s', (_name, base, theirs, mine, expected) => {
    expect(combined(base, theirs, mine)).toBe(expected)
  })
})
