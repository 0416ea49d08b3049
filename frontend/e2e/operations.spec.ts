import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import type { Page } from '@playwright/test'

import { expect, PASSWORD, test } from './pilotdeck'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const SCRIPT = '#!/bin/sh\ni=0\nwhile [ $i -lt 60 ]; do i=$((i+1)); echo "step $i of the journey"; sleep 0.2; done\n'

/** Backups in a folder of their own, and a script that takes its time. */
const settings = () => (folder: string) => {
  const [kept, script] = [join(folder, 'kept'), join(folder, 'deploy.sh')]
  mkdirSync(kept, { recursive: true })
  writeFileSync(script, SCRIPT)
  chmodSync(script, 0o700)
  return { PM_BACKUP_DIR: kept, PM_BACKUP_EVERY_HOURS: '24', PM_BACKUP_KEEP: '3', PM_DEPLOY_SCRIPT: script }
}

async function barriers(page: Page): Promise<string[]> {
  await page.waitForTimeout(400)
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run: (options: object) => Promise<{ violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[] }> } }
    return (await axe.run({ resultTypes: ['violations'] })).violations
  })
  return found.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes[0]?.target.join(' ')} ${nodes[0]?.failureSummary}`)
}

test.describe('where backups are kept', () => {
  test.use({ settings: async ({}, use) => use(settings()) })

  test('one is made, proven, downloaded and deleted', async ({ page }) => {
    await page.goto('/operations')
    await expect(page).toHaveURL(/\/operations\/backups$/)
    const kept = page.getByRole('listitem', { name: /^Backup of/ })
    await expect(kept).toHaveCount(1, { timeout: 20_000 })
    await expect(kept.first()).toContainText('Proven', { timeout: 20_000 })
    await expect(page.getByText('1 of at most 3')).toBeVisible()

    const make = page.getByRole('button', { name: 'Make a backup' })
    await make.click()
    await expect(kept).toHaveCount(2, { timeout: 20_000 })
    await expect(kept.first()).toContainText('Made by hand')
    await expect(kept.first()).toContainText('Proven', { timeout: 20_000 })
    await expect(make).toBeEnabled()

    await kept.first().getByRole('button', { name: /^Details/ }).click()
    await expect(kept.first()).toContainText('integrity, rows and ledger hold')
    await kept.first().getByRole('button', { name: /^Actions/ }).click()
    await page.getByRole('menuitem', { name: 'Prove again' }).click()
    await expect(kept.first().getByText('integrity, rows and ledger hold')).toHaveCount(2, { timeout: 20_000 })

    await kept.first().getByRole('button', { name: /^Actions/ }).click()
    const download = page.waitForEvent('download')
    await page.getByRole('menuitem', { name: 'Download' }).click()
    expect((await download).suggestedFilename()).toMatch(/^pm_backup_\d{8}T\d{6}Z\.db$/)

    await kept.first().getByRole('button', { name: /^Actions/ }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await expect(kept).toHaveCount(2)
    await kept.first().getByRole('button', { name: /^Actions/ }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete the backup' }).click()
    await expect(kept).toHaveCount(1)

    await page.goto('/activity')
    await expect(page.getByText(/admin removed the backup pm_backup_/)).toBeVisible()
    await expect(page.getByText(/to prove it, and it holds/).first()).toBeVisible()
  })

  test('one is restored with the right words only, and the page is there again', async ({ agent, page }) => {
    await agent.project('proj-kept', { name: 'Kept' })
    await page.goto('/operations/backups')
    const kept = page.getByRole('listitem', { name: /^Backup of/ })
    await expect(kept.first()).toContainText('Proven', { timeout: 20_000 })
    await page.getByRole('button', { name: 'Make a backup' }).click()
    await expect(kept).toHaveCount(2, { timeout: 20_000 })
    await expect(kept.first()).toContainText('Proven', { timeout: 20_000 })
    await agent.project('proj-later', { name: 'Later' })

    await kept.first().getByRole('button', { name: /^Restore/ }).click()
    const dialog = page.getByRole('dialog')
    await expect(dialog.getByText(/is gone from here: \d+ lines of the ledger/)).toBeVisible()
    await expect(dialog.getByText(/pm\.db\.bak/)).toBeVisible()
    const restore = dialog.getByRole('button', { name: 'Restore now' })
    await expect(restore).toBeDisabled()
    await dialog.getByLabel('Type restore to go on').fill('restor')
    await expect(restore).toBeDisabled()
    await dialog.getByLabel('Type restore to go on').fill('restore')
    await restore.click()
    await expect(dialog.getByText('The database is restored', { exact: true })).toBeVisible({ timeout: 30_000 })
    await expect(dialog.getByText(/pm\.db\.bak/)).toBeVisible()
    await dialog.getByRole('button', { name: 'Close' }).last().click()

    const { data } = await agent.get<{ data: { id: string }[] }>('/projects')
    expect(data.map(({ id }) => id)).toEqual(['proj-kept'])
    await expect(kept).toHaveCount(2)
    await page.goto('/activity')
    await expect(page.getByText(/admin restored the database/).first()).toBeVisible()
  })

  test('a backup that lost bytes is told of in red, and cannot be restored', async ({ page }) => {
    const rotten = { name: 'pm_backup_20260211T150000Z.db', state: 'rotten', bytes: 4096, sha256: 'ab', madeAt: '2026-02-11T15:00:00.000000Z', dueAt: null, ledgerSeq: 3, ledgerHash: 'cd', rows: {}, check: { at: '2026-02-12T15:00:00.000000Z', holds: false, reason: 'its bytes are not those that were written', tookMs: 3 }, proofs: [] }
    const alert = { at: '2026-02-12T15:00:00.000000Z', isFull: true, reason: 'the disk has no room for a backup and its proof' }
    await page.route('**/api/admin/backups', (route) => route.fulfill({ json: { success: true, data: { settings: { folder: '/kept', everyHours: 6, keep: 7 }, nextDueAt: null, alert, underWay: [{ task: 'backup', name: null, phase: 'copying', done: 1_048_576, total: 4_194_304, beganAt: new Date().toISOString() }], backups: [rotten] } } }))
    await page.goto('/operations/backups')

    await expect(page.getByText('No backup was made: the disk has too little room')).toBeVisible()
    await expect(page.getByText(/^The backup of .* is rotten$/)).toBeVisible()
    await expect(page.getByRole('progressbar', { name: 'Making a backup' })).toHaveAttribute('aria-valuenow', '25')
    await expect(page.getByRole('button', { name: /^Restore the backup/ })).toBeDisabled()
    expect(await barriers(page)).toEqual([])
  })

  test('a deploy job is followed, read back in, and cancelled', async ({ page }) => {
    await page.goto('/operations/deploy')
    await expect(page.getByText('No job has run yet.')).toBeVisible()
    await page.getByRole('button', { name: 'Pull and restart' }).click()
    await page.getByRole('button', { name: 'Run it now' }).click()
    const log = page.getByRole('log')
    await expect(page.getByText('Running', { exact: true })).toBeVisible()
    await expect(log).toContainText('step 30 of the journey', { timeout: 30_000 })
    const isAtEnd = () => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 30)
    expect(await isAtEnd()).toBe(true)
    await log.evaluate((box) => (box.scrollTop = 0))
    await expect(page.getByRole('button', { name: 'To the end' })).toBeVisible()
    await expect(log).toContainText('step 40 of the journey', { timeout: 20_000 })
    expect(await isAtEnd()).toBe(false)

    await page.getByRole('button', { name: 'Cancel the job' }).click()
    await expect(page.getByText('Failed', { exact: true })).toBeVisible({ timeout: 20_000 })
    await expect(page.getByText('Exit code')).toBeVisible()
    await page.mouse.move(400, 600)
    expect(await barriers(page)).toEqual([])
  })

  test('no page of it shuts anybody out, on a phone and in Chinese', async ({ page }) => {
    test.setTimeout(120_000)
    await page.setViewportSize({ width: 360, height: 740 })
    await page.addInitScript(() => localStorage.setItem('pilotdeck.language', 'zh'))
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const path of ['backups', 'restore', 'deploy', 'health']) {
        await page.goto(`/operations/${path}`)
        await expect(page.locator('[role=status][aria-label=加载中]')).toHaveCount(0)
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(360)
        expect(await barriers(page), `${path} ${colorScheme}`).toEqual([])
      }
    }
  })
})

test('where no backups are kept, it says how to turn them on', async ({ page }) => {
  await page.goto('/operations/backups')
  await expect(page.getByText('No backups are made by themselves')).toBeVisible()
  await expect(page.getByText(/PM_BACKUP_DIR=/)).toBeVisible()
})

test('a backup is downloaded, and restored from a file when it is asked for in so many words', async ({ agent, page }) => {
  await agent.project('proj-kept', { name: 'Kept' })
  await page.goto('/operations/restore')
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download a backup' }).click()
  const backup = await download
  expect(backup.suggestedFilename()).toMatch(/^pm_backup_\d{8}T\d{6}Z\.db$/)
  const file = { name: backup.suggestedFilename(), mimeType: 'application/octet-stream', buffer: readFileSync(await backup.path()) }
  expect(file.buffer.subarray(0, 15).toString()).toBe('SQLite format 3')

  await agent.project('proj-later', { name: 'Later' })
  await page.getByLabel('Choose a file').first().setInputFiles(file)
  const restore = page.getByRole('button', { name: 'Restore now' })
  await expect(page.getByText(/^Everything written since .* is gone from here\.$/)).toBeVisible()
  await expect(restore).toBeDisabled()
  await page.getByLabel('Type restore to go on').fill('restore')
  await restore.click()
  await expect(page.getByText('The database is restored', { exact: true })).toBeVisible({ timeout: 30_000 })

  const { data } = await agent.get<{ data: { id: string }[] }>('/projects')
  expect(data.map(({ id }) => id)).toEqual(['proj-kept'])
})

test('who came after the backup signs in again, and the page goes on', async ({ agent, another, page, server }) => {
  await agent.project('proj-kept', { name: 'Kept' })
  const backup = await (await page.context().request.get(`${server.url}/api/admin/backup`)).body()
  const later = await another()
  await later.goto('/operations/restore')
  await later.getByLabel('Choose a file').first().setInputFiles({ name: 'backup.db', mimeType: 'application/octet-stream', buffer: backup })
  await expect(later.getByText('Everything written since that backup was made is gone from here.')).toBeVisible()
  await later.getByLabel('Type restore to go on').fill('restore')
  await later.getByRole('button', { name: 'Restore now' }).click()

  const again = later.getByRole('dialog', { name: 'Your session is over' })
  await expect(again).toBeVisible({ timeout: 30_000 })
  await again.getByLabel('Password').fill(PASSWORD)
  await again.getByRole('button', { name: 'Sign in' }).click()
  await expect(again).toBeHidden()
  await expect(later.getByText('The database is restored', { exact: true })).toBeVisible({ timeout: 30_000 })
})

test('everything is exported as lines of JSON', async ({ agent, page }) => {
  await agent.project('proj-kept', { name: 'Kept' })
  await page.goto('/operations/restore')
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Export everything' }).click()
  const lines = readFileSync(await (await download).path(), 'utf8').trim().split('\n')

  expect(lines.some((line) => line.includes('proj-kept'))).toBe(true)
  for (const line of lines) JSON.parse(line)
})

test('a file that is no database changes nothing', async ({ agent, page }) => {
  await agent.project('proj-kept', { name: 'Kept' })
  await page.goto('/operations/restore')
  await page.getByLabel('Choose a file').first().setInputFiles({ name: 'cat.db', mimeType: 'application/octet-stream', buffer: Buffer.from('meow'.repeat(500)) })
  await page.getByLabel('Type restore to go on').fill('restore')
  await page.getByRole('button', { name: 'Restore now' }).click()

  await expect(page.getByRole('alert').filter({ hasText: 'Not restored; everything is as it was' })).toBeVisible()
  expect((await agent.get<{ total: number }>('/projects')).total).toBe(1)
})

test('a deploy without a script says what is missing', async ({ page }) => {
  await page.goto('/operations/deploy')
  await expect(page.getByText('No job has run yet.')).toBeVisible()
  await page.getByRole('button', { name: 'Pull and restart' }).click()
  await page.getByRole('button', { name: 'Run it now' }).click()

  await expect(page.getByText(/deploy script not found/i).first()).toBeVisible()
})

test('health says why the server is not ready, and shows what was measured', async ({ page }) => {
  let isReady = false
  await page.route('**/health/ready', (route) =>
    route.fulfill({ status: isReady ? 200 : 503, json: { ready: isReady, dependencies: {}, reasons: isReady ? [] : ['disk_low'] } }),
  )
  await page.route('**/metrics', (route) => route.fulfill({ body: 'pilotdeck_ledger_seq 42\npilotdeck_disk_free_bytes 1048576\npilotdeck_streams_open 1\n' }))
  await page.goto('/operations/health')

  await expect(page.getByText('Not ready: writes fail or would fail')).toBeVisible()
  await expect(page.getByText(/Less is free on the disk than is kept free/)).toBeVisible()
  await expect(page.getByRole('link', { name: /Ledger lines/ })).toContainText('42')
  await expect(page.getByRole('group', { name: /Free on its disk: 1 MiB/ })).toContainText('low')
  await expect(page.getByText('pilotdeck doctor')).toBeVisible()
  expect(await barriers(page)).toEqual([])

  isReady = true
  await expect(page.getByText('Ready', { exact: true })).toBeVisible({ timeout: 15_000 })
})
