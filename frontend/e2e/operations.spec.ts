import { readFileSync } from 'node:fs'

import { expect, test } from './pilotdeck'

test('a backup is downloaded, and restored when it is asked for in so many words', async ({ agent, page }) => {
  await agent.project('proj-kept', { name: 'Kept' })
  await page.goto('/operations')
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download a backup' }).click()
  const backup = await download
  expect(backup.suggestedFilename()).toMatch(/^pm_backup_\d{8}T\d{6}Z\.db$/)
  const file = { name: 'backup.db', mimeType: 'application/octet-stream', buffer: readFileSync(await backup.path()) }
  expect(file.buffer.subarray(0, 15).toString()).toBe('SQLite format 3')

  await agent.project('proj-later', { name: 'Later' })
  await page.getByLabel('Choose a file').first().setInputFiles(file)
  const restore = page.getByRole('button', { name: 'Restore this file' })
  await expect(restore).toBeDisabled()
  await page.getByLabel('Type restore to go on').fill('restore')
  await restore.click()
  await expect(page.getByText('The database is restored', { exact: true })).toBeVisible({ timeout: 30_000 })

  const { data } = await agent.get<{ data: { id: string }[] }>('/projects')
  expect(data.map(({ id }) => id)).toEqual(['proj-kept'])
})

test('a file that is no database changes nothing', async ({ agent, page }) => {
  await agent.project('proj-kept', { name: 'Kept' })
  await page.goto('/operations')
  await page.getByLabel('Choose a file').first().setInputFiles({ name: 'cat.db', mimeType: 'application/octet-stream', buffer: Buffer.from('meow'.repeat(500)) })
  await page.getByLabel('Type restore to go on').fill('restore')
  await page.getByRole('button', { name: 'Restore this file' }).click()

  await expect(page.getByRole('alert').filter({ hasText: 'Not restored; everything is as it was' })).toBeVisible()
  expect((await agent.get<{ total: number }>('/projects')).total).toBe(1)
})

test('a deploy without a script says what is missing', async ({ page }) => {
  await page.goto('/operations')
  await expect(page.getByText('No job has run yet.')).toBeVisible()
  await page.getByRole('button', { name: 'Pull and restart' }).click()
  await page.getByRole('button', { name: 'Pull and restart' }).click()

  await expect(page.getByText(/script/i).last()).toBeVisible()
})
