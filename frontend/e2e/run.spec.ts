import { expect, test } from './pilotdeck'

test('a run is followed to its end', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo' })
  await agent.run('run-1', 'apollo', { title: 'Land', links: ['https://example.org/pr', 'javascript:alert(1)'], usage: { inputTokens: 1200, outputTokens: 300, totalTokens: 1500, cost: 0.25, model: 'm-1' } })
  await page.goto('/runs/run-1')

  await expect(page.getByRole('heading', { level: 2, name: 'Land' })).toBeVisible()
  await expect(page.getByText('Running')).toBeVisible()
  await expect(page.getByRole('group', { name: /^Tokens: 1,500/ })).toBeVisible()
  await expect(page.getByRole('group', { name: /^Cost: \$0\.25/ })).toBeVisible()
  await expect(page.getByRole('link', { name: 'https://example.org/pr' })).toHaveAttribute('rel', /noopener/)
  await expect(page.getByRole('link', { name: /javascript/ })).toHaveCount(0)

  await agent.event('apollo', 'Touchdown', { runId: 'run-1' })
  await expect(page.getByRole('list', { name: 'Events' }).getByRole('button', { name: /Touchdown/ })).toBeVisible({ timeout: 2_000 })

  await agent.patch('/agent/runs/run-1', { status: 'success', summary: 'It **landed**' })
  await expect(page.locator('header').getByText('Success')).toBeVisible({ timeout: 2_000 })
  await expect(page.locator('strong', { hasText: 'landed' })).toBeVisible()
  await page.getByRole('main').getByRole('link', { name: 'Apollo' }).last().click()
  await expect(page).toHaveURL(/\/projects\/apollo/)
})

test('a run that a person gives up is marked, and the mark taken back', async ({ page, agent }) => {
  await agent.project('apollo')
  await agent.run('run-1', 'apollo', { createdAt: '2026-01-01T00:00:00Z', startedAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z' })
  await page.goto('/runs/run-1')
  await expect(page.getByText('This run may be stuck')).toBeVisible()

  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('menuitem', { name: 'Mark as: Cancelled' }).click()
  await expect(page.getByText('This run may be stuck')).toBeHidden()
  await expect(page.locator('header').getByText('Cancelled')).toBeVisible()

  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.locator('header').getByText('Running')).toBeVisible()
})

test('a run that is not there says so', async ({ page }) => {
  await page.goto('/runs/nothing-here')

  await expect(page.getByText('There is no such run')).toBeVisible()
})
