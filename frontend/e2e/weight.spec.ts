import { gzipSync } from 'node:zlib'

import { expect, test } from './pilotdeck'

const KIB = 1024
const MOST_SCRIPT = 250 * KIB

test('the first load is light, compressed and kept by the browser', async ({ page }) => {
  const scripts: { url: string; size: number; headers: Record<string, string> }[] = []
  const waiting: Promise<unknown>[] = []
  page.on('response', (response) => {
    if (response.request().resourceType() !== 'script') return
    const keep = async () => scripts.push({ url: response.url(), size: gzipSync(await response.body(), { level: 9 }).length, headers: await response.allHeaders() })
    waiting.push(keep())
  })
  await page.goto('/')
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible()
  await expect(page.getByText('The ledger is empty')).toBeVisible()
  await Promise.all(waiting)

  const sum = scripts.reduce((total, { size }) => total + size, 0)
  console.log(`first load: ${scripts.length} scripts, ${(sum / KIB).toFixed(1)} KiB gzipped`)
  expect(scripts.length).toBeGreaterThan(2)
  expect(sum, scripts.map(({ url, size }) => `${size} ${url}`).join('\n')).toBeLessThanOrEqual(MOST_SCRIPT)
  for (const { url, headers } of scripts.filter(({ url }) => url.includes('/assets/'))) {
    expect(headers['cache-control'], url).toContain('immutable')
    if (Number(headers['content-length']) > 2 * KIB) expect(headers['content-encoding'], url).toBe('br')
  }
})

test('the page runs nothing that it did not bring along', async ({ page }) => {
  const response = await page.goto('/')
  const policy = response?.headers()['content-security-policy'] ?? ''

  expect(policy).toContain("script-src 'self'")
  expect(policy).not.toContain('unsafe-eval')
  expect(policy).not.toMatch(/script-src[^;]*unsafe-inline/)
  expect(response?.headers()['cache-control']).toContain('no-cache')
})
