import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { icons } from '@iconify-json/lucide'
import { expect, test } from 'vitest'

function named(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return named(path)
    return /\.(vue|ts)$/.test(entry.name) ? [...readFileSync(path, 'utf8').matchAll(/['"]i-lucide-([a-z0-9-]+)['"]/g)].map(([, name]) => name ?? '') : []
  })
}

test('every icon that the sources name is in the collection, so that none is asked for elsewhere', () => {
  const names = named('src')

  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !(name in icons.icons) && !(name in (icons.aliases ?? {})))).toEqual([])
})
