import { expect, test } from 'vitest'

import { usesOf } from './capabilityUse'

test.each([
  { meta: { capabilities: ['cap-1'] } },
  { meta: { capabilityId: 'cap-1' } },
  { capabilities: [{ id: 'cap-1' }] },
  { meta: { capabilities: 'Delivery' } },
])('a run names a capability by %j', (run) => {
  expect(usesOf({ id: 'cap-1', name: 'Delivery' }, [run, { meta: null }, {}])).toBe(1)
})
