import { expect, test } from 'vitest'

import { programOf } from './userAgent'

test('browsers are named, and the system they run on', () => {
  expect(programOf('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36')).toEqual({ program: 'Chrome', system: 'Linux' })
  expect(programOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0')).toEqual({ program: 'Edge', system: 'Windows' })
  expect(programOf('Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Mobile Safari/604.1')).toEqual({ program: 'Safari', system: 'iOS' })
})

test('other programs are called what they call themselves', () => {
  expect(programOf('curl/8.1')).toEqual({ program: 'curl', system: undefined })
  expect(programOf(null)).toEqual({})
})
