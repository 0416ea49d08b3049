import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import en from './messages.en'
import zh from './messages.zh'

function paths(tree: object, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) => (typeof value === 'object' && value !== null ? paths(value, `${prefix}${key}.`) : [prefix + key]))
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.(vue|ts)$/.test(entry.name) && !entry.name.endsWith('.test.ts') ? [readFileSync(path, 'utf8')] : []
  })
}

test('both languages have the same messages', () => {
  expect(paths(zh).sort()).toEqual(paths(en).sort())
})

test('no message is empty', () => {
  const text = (tree: object): string[] => Object.values(tree).flatMap((value) => (typeof value === 'string' ? [value] : text(value)))

  expect([...text(en), ...text(zh)].filter((message) => message.trim() === '')).toEqual([])
})

test('every message that the sources ask for is there', () => {
  const known = new Set(paths(en))
  const asked = sources('src').flatMap((source) => [...source.matchAll(/\bt\(\s*'([\w.-]+)'/g)].map(([, path]) => path ?? ''))

  expect(asked.length).toBeGreaterThan(50)
  expect(asked.filter((path) => !known.has(path))).toEqual([])
})
