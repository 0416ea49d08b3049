import { expect, test } from 'vitest'

import { plain } from './plain'

test('what marks the form of a text is left out', () => {
  expect(plain('## Done\n\n- **two** of `three`\n- [x] see [the log](https://example.invalid/log)')).toBe('Done two of three see the log')
  expect(plain('> quoted\n```rust\nlet a = 1;\n```')).toBe('quoted let a = 1;')
})

test('what only looks like a mark stays', () => {
  expect(plain('2 * 3 * 4 = 24, snake_case_name, a -> b')).toBe('2 * 3 * 4 = 24, snake_case_name, a -> b')
  expect(plain('first\nsecond')).toBe('first second')
})
