import { expect, test } from 'vitest'

import { ranked } from './members'
import type { Member } from './members.api'

const member = (username: string, role: Member['role']): Member => ({ userId: username, username, role, addedAt: '' })

test('owners stand first, then editors and viewers, each by name', () => {
  const members = [member('zoe', 'viewer'), member('bob', 'owner'), member('ada', 'editor'), member('al', 'owner')]

  expect(ranked(members).map(({ username }) => username)).toEqual(['al', 'bob', 'ada', 'zoe'])
})
