import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'

import MarkdownText from './MarkdownText.vue'

const html = (source: string) => mount(MarkdownText, { props: { source } }).html()

test('Markdown becomes elements', () => {
  const shown = html('# Title\n\nSome **bold** `code`\n\n- one\n- two\n\n```\nlet x\n```')

  for (const piece of ['<h1>Title</h1>', '<strong>bold</strong>', '<code>code</code>', '<li>', '<pre']) expect(shown).toContain(piece)
})

test('HTML of the author is text', () => {
  const shown = html('<img src=x onerror=alert(1)><script>alert(1)</script>')

  expect(shown).not.toContain('<img')
  expect(shown).not.toContain('<script')
  expect(shown).toContain('&lt;img')
})

test('a link goes to the web or stays here, and to nothing else', () => {
  expect(html('[a](https://git.example)')).toContain('rel="noopener noreferrer"')
  expect(html('[a](javascript:alert(1))')).not.toContain('href')
  expect(html('[a](//evil.example)')).not.toContain('href')
})

test('pictures are not fetched', () => {
  const shown = html('![a cat](https://tracker.example/cat.png)')

  expect(shown).not.toContain('tracker')
  expect(shown).toContain('a cat')
})
