import { readFileSync } from 'node:fs'

import { type Agent, expect, test } from './pilotdeck'

async function spend(agent: Agent) {
  const yesterday = new Date(Date.now() - 86_400_000).toISOString()
  const long = new Date(Date.now() - 40 * 86_400_000).toISOString()
  await agent.project('proj-atlas', { name: 'Atlas' })
  await agent.post('/agent/usage', {
    records: [
      { id: 'u1', projectId: 'proj-atlas', agentId: 'claude', model: 'sonnet', promptTokens: 800, completionTokens: 200, totalTokens: 1000, cost: 2.5, cacheReadTokens: 400 },
      { id: 'u2', projectId: 'proj-atlas', agentId: 'codex', model: 'gpt', totalTokens: 500, cost: 1, ts: yesterday },
      { id: 'u3', agentId: 'codex', model: 'local', totalTokens: 300 },
      { id: 'u4', agentId: 'claude', model: 'sonnet', totalTokens: 700, cost: 7, ts: long },
    ],
  })
}

test('cost is counted, compared, and unpriced is not 0', async ({ agent, page }) => {
  await spend(agent)
  await page.goto('/cost')

  await expect(page.getByRole('group', { name: /^Cost: \$3\.50/ })).toContainText('-50% against the period before')
  await expect(page.getByRole('group', { name: /^Unpriced tokens: 300/ })).toBeVisible()
  await expect(page.getByRole('group', { name: /^Read from cache: 400/ })).toBeVisible()
  await expect(page.getByRole('region', { name: 'Models' }).getByRole('row', { name: /local/ })).toContainText('unpriced')
  await expect(page.getByRole('img', { name: 'Cost by day, stacked by model' })).toBeVisible()
})

test('a row narrows the page, the address keeps it, and new usage comes in by itself', async ({ agent, page }) => {
  await spend(agent)
  await page.goto('/cost?period=all')
  await page.getByRole('region', { name: 'Agents' }).getByRole('button', { name: 'claude' }).click()
  await expect(page).toHaveURL(/agent=claude/)
  await expect(page.getByRole('group', { name: /^Cost: \$9\.50/ })).toBeVisible()

  await page.reload()
  await expect(page.getByRole('group', { name: /^Cost: \$9\.50/ })).toBeVisible()
  await agent.post('/agent/usage', { records: [{ id: 'u9', agentId: 'claude', model: 'sonnet', totalTokens: 10, cost: 0.5 }] })
  await expect(page.getByRole('group', { name: /^Cost: \$10\.00/ })).toBeVisible()

  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(page.getByRole('group', { name: /^Cost: \$11\.00/ })).toBeVisible()
})

test('what is shown can be taken along as CSV', async ({ agent, page }) => {
  await spend(agent)
  await page.goto('/cost?by=project')
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export as CSV' }).click()
  const file = await (await download).path()

  const lines = readFileSync(file, 'utf8').trim().split('\r\n')
  expect(lines[0]).toBe('day,project,records,promptTokens,completionTokens,totalTokens,cacheReadTokens,cacheWriteTokens,unpricedRecords,unpricedTokens,cost')
  expect(lines.some((line) => line.includes(',Atlas,1,800,200,1000,400,0,0,0,2.5'))).toBe(true)
})

test('without any usage the page says how to report some', async ({ page }) => {
  await page.goto('/cost')

  await expect(page.getByText('No usage was reported yet')).toBeVisible()
  await expect(page.getByText('/api/agent/usage')).toBeVisible()
})
