import { expect, test } from 'vitest'
import { createApp, h, nextTick, onErrorCaptured } from 'vue'

import { isFatal } from './failures'

async function infoOf(child: object) {
  let said = ''
  const element = document.createElement('div')
  createApp({
    setup() {
      onErrorCaptured((_error, _instance, info) => {
        said = info
        return false
      })
      return () => h(child)
    },
  }).mount(element)
  element.querySelector('button')?.click()
  await nextTick()
  return said
}
const fail = () => {
  throw new Error('no')
}

test('a component that cannot be made or drawn is fatal, a click that fails is not', async () => {
  expect(isFatal(await infoOf({ setup: fail }))).toBe(true)
  expect(isFatal(await infoOf({ render: fail }))).toBe(true)
  expect(isFatal(await infoOf({ render: () => h('button', { onClick: fail }) }))).toBe(false)
  expect(isFatal(await infoOf({ render: () => h('button', { onClick: async () => fail() }) }))).toBe(false)
})

test('the built page says the same by numbers', () => {
  expect(isFatal('https://vuejs.org/error-reference/#runtime-1')).toBe(true)
  expect(isFatal('https://vuejs.org/error-reference/#runtime-11')).toBe(false)
  expect(isFatal('https://vuejs.org/error-reference/#runtime-5')).toBe(false)
})
