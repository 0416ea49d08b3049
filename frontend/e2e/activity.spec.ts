import { readFileSync } from 'node:fs'

import { expect, test } from './pilotdeck'

test('what agents do is told in sentences, as it happens', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await page.goto('/activity')
  await expect(page.getByText('Somebody created the project Atlas')).toBeVisible()

  await agent.run('r1', 'atlas', { title: 'Parser' })
  await expect(page.getByText('claude started “Parser” in Atlas')).toBeVisible()
  await agent.event('atlas', 'Tests pass')
  await expect(page.getByText('claude reported “Tests pass” in Atlas')).toBeVisible()
  await agent.patch('/projects/atlas', { status: 'in-progress' })
  await expect(page.getByText('Somebody changed Status of Atlas: Planning → In progress')).toBeVisible()
})

test('a line opens to its hash and its subject', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await agent.project('borea', { name: 'Borea' })
  await page.goto('/activity')
  await page.getByRole('button', { name: 'Somebody created the project Atlas' }).click()
  await expect(page.getByText('Hash before', { exact: true })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Copy the hash' }).first()).toBeVisible()

  await page.getByRole('button', { name: 'Show only lines about it' }).click()
  await expect(page).toHaveURL(/subject=atlas/)
  await expect(page.getByText('Somebody created the project Borea')).toBeHidden()
})

test('filters narrow the ledger by group and text', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await agent.run('r1', 'atlas', { title: 'Parser' })
  await page.goto('/activity?what=run')
  await expect(page.getByText('claude started “Parser” in Atlas')).toBeVisible()
  await expect(page.getByText('Somebody created the project Atlas')).toBeHidden()

  await page.goto('/activity?text=the%20project')
  await expect(page.getByText('Somebody created the project Atlas')).toBeVisible()
  await expect(page.getByText('claude started “Parser” in Atlas')).toBeHidden()
})

test('new lines wait behind a pill while somebody reads further down', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  for (let number = 0; number < 40; number += 1) await agent.event('atlas', `Event ${number}`)
  await page.goto('/activity')
  const list = page.getByRole('region', { name: 'Lines of the ledger' })
  await expect(list.getByText('claude reported “Event 39” in Atlas')).toBeVisible()
  await list.evaluate((element) => element.scrollTo(0, 600))
  await expect(list.getByText('claude reported “Event 39” in Atlas')).toBeHidden()

  await agent.event('atlas', 'The newest')
  await page.getByRole('button', { name: '1 new line' }).click()
  await expect(page.getByText('claude reported “The newest” in Atlas')).toBeVisible()
})

test('the ledger is verified on demand and exported', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await page.goto('/activity')
  await page.getByRole('button', { name: 'Verification' }).click()
  await expect(page.getByText('Not verified since the server started.')).toBeVisible()
  await page.getByRole('button', { name: 'Verify now' }).click()
  await expect(page.getByText(/All \d+ lines and \d+ checkpoints? hold/)).toBeVisible()
  await expect(page.getByText(/pilotdeck ledger verify --export ledger\.jsonl --key ed25519:[0-9a-f]{64}/)).toBeVisible()

  await page.getByRole('button', { name: 'What it proves, and what it does not' }).click()
  await expect(page.getByRole('heading', { name: 'What verification proves, and what it does not' })).toBeVisible()
  await page.keyboard.press('Escape')

  const download = page.waitForEvent('download')
  await page.getByRole('dialog').getByRole('link', { name: 'Export' }).click()
  const file = await (await download).path()
  expect(readFileSync(file, 'utf8')).toContain('"operation":"project.created"')
})
