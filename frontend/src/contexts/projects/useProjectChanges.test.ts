import { expect, test } from 'vitest'

import { aProject } from './projects.fixtures'
import { reverse } from './useProjectChanges'

test('what takes a change back gives every field the value that it had, and null where there was none', () => {
  const before = aProject({ status: 'paused', tags: ['a'] })

  expect(reverse(before, { status: 'planning', tags: [], owner: 'Ada' })).toEqual({ status: 'paused', tags: ['a'], owner: null })
})
