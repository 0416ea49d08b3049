import { expect, test } from 'vitest'

import { cellChange, cellText } from './cells'
import { aProject } from './projects.fixtures'

const project = aProject({ name: 'Apollo', progress: 40, tags: ['a', 'b'], category: null })

test('an edited text becomes a change', () => {
  expect(cellChange(project, 'name', ' Gemini ')).toEqual({ name: 'Gemini' })
  expect(cellChange(project, 'category', 'data')).toEqual({ category: 'data' })
  expect(cellChange(aProject({ category: 'data' }), 'category', ' ')).toEqual({ category: null })
  expect(cellChange(project, 'tags', 'b，c, ,c')).toEqual({ tags: ['b', 'c'] })
})

test('progress is rounded and clamped', () => {
  expect(cellChange(project, 'progress', '55.6')).toEqual({ progress: 56 })
  expect(cellChange(project, 'progress', '900')).toEqual({ progress: 100 })
  expect(cellChange(project, 'progress', '-3')).toEqual({ progress: 0 })
})

test('what is the same, blank or no number is no change', () => {
  const texts = [['name', ' '], ['name', 'Apollo'], ['progress', ''], ['progress', 'x'], ['progress', '40'], ['tags', 'a, b'], ['category', '']] as const

  expect(texts.map(([field, text]) => cellChange(project, field, text))).toEqual(texts.map(() => undefined))
  expect(cellText(project, 'tags')).toBe('a, b')
  expect(cellChange(aProject({ tags: null }), 'tags', '')).toBeUndefined()
})
