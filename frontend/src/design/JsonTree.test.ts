import { mount } from '@vue/test-utils'
import { expect, test, vi } from 'vitest'

import JsonTree from './JsonTree.vue'

const tree = (value: unknown) => mount(JsonTree, { props: { value, openTo: 1 }, global: { stubs: { UIcon: true, UButton: { template: '<button @click="$emit(\'click\')">{{ $attrs.label }}</button>' } } } })

test('a branch that is closed says what is in it, and opens', async () => {
  const shown = tree({ outer: { a: 1, b: 2, c: 3, d: 4 } })
  expect(shown.text()).toContain('{a, b, c, …}')

  await shown.findAll('button').at(1)?.trigger('click')

  expect(shown.text()).toContain('d: 4')
})

test('long texts are folded', async () => {
  const shown = tree({ text: 'x'.repeat(500) })
  expect(shown.text().length).toBeLessThan(200)

  await shown.findAll('button').at(-1)?.trigger('click')

  expect(shown.text()).toContain('x'.repeat(500))
})

test('many entries are shown by and by', () => {
  expect(tree(Array.from({ length: 1000 }, (_, index) => index)).text()).toContain('900 more')
})

test('a click copies a single value as it is', async () => {
  const written = vi.fn(async () => undefined)
  vi.stubGlobal('navigator', { ...navigator, clipboard: { writeText: written }, permissions: { query: async () => ({ state: 'granted', addEventListener: () => undefined }) } })
  document.execCommand = vi.fn(() => true)
  const shown = tree({ name: 'a "quoted" word' })

  await shown.findAll('button').at(-1)?.trigger('click')
  await vi.waitFor(() => expect(shown.find('[role=status]').exists()).toBe(true))
  vi.unstubAllGlobals()
})
