import { expect, test } from 'vitest'

import { calledOf, changesOf, matching } from './people'
import type { User } from './people.api'

const ada: User = { id: 'user-1', username: 'ada', fullName: 'Ada Lovelace', email: 'ada@example.org', role: 'member', isActive: true, hasSecondFactor: false, createdAt: '', updatedAt: '', lastSignInAt: null }
const li: User = { ...ada, id: 'user-2', username: '李雷', fullName: null, email: null }

test('people are found by any of their names, in any order', () => {
  expect(matching([ada, li], 'lovelace ADA')).toEqual([ada])
  expect(matching([ada, li], '李')).toEqual([li])
  expect(matching([ada, li], ' ')).toEqual([ada, li])
})

test('who has no other name is called by the one they sign in with', () => {
  expect([calledOf(ada), calledOf(li)]).toEqual(['Ada Lovelace', '李雷'])
})

test('only what is different is sent, and what was emptied as null', () => {
  expect(changesOf(ada, { username: 'ada', fullName: 'Ada Lovelace', email: 'ada@example.org', role: 'member' })).toEqual({})
  expect(changesOf(ada, { username: ' ada ', fullName: '', email: 'a@b', role: 'admin' })).toEqual({ fullName: null, email: 'a@b', role: 'admin' })
  expect(changesOf(li, { username: '李雷', fullName: '', email: '', role: 'member' })).toEqual({})
})
