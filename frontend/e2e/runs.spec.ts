import { expect, test } from './pilotdeck'

test('runs appear, live and end without a reload', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  // Wide enough for every column.
  await page.setViewportSize({ width: 1600, height: 900 })
  await page.goto('/runs')
  await expect(page.getByText('No runs yet')).toBeVisible()
  await expect(page.locator('pre')).toContainText(`${new URL(page.url()).origin}/api/agent/runs`)

  await agent.run('r1', 'atlas', { title: 'Write the parser' })
  const row = page.getByRole('row', { name: /Write the parser/ })
  await expect(row).toContainText('Running')
  await expect(row).toContainText('Atlas')
  await expect(page.getByText('1 run', { exact: true })).toBeVisible()

  await expect(row).toContainText(/[2-9]s/)
  await agent.patch('/agent/runs/r1', { status: 'success', finishedAt: new Date().toISOString(), usage: { totalTokens: 15_000, cost: 0.25 } })
  await expect(row).toContainText('Success')
  await expect(row).toContainText('15K')
  await expect(row).toContainText('$0.25')
})

test('filters are in the address and survive a reload', async ({ page, agent }) => {
  await agent.project('atlas')
  await agent.project('borea')
  await agent.run('r1', 'atlas', { title: 'Alpha work' })
  await agent.run('r2', 'borea', { title: 'Beta work', status: 'failed' })
  await page.goto('/runs')

  await page.getByRole('combobox', { name: 'Status' }).or(page.getByRole('button', { name: 'Status' })).click()
  await page.getByRole('option', { name: 'Failed' }).click()
  await expect(page).toHaveURL(/status=failed/)
  await expect(page.getByRole('row', { name: /Alpha work/ })).toBeHidden()

  await page.reload()
  await expect(page.getByRole('row', { name: /Beta work/ })).toBeVisible()
  await expect(page.getByRole('row', { name: /Alpha work/ })).toBeHidden()

  await page.getByRole('button', { name: 'Clear filters' }).click()
  await page.keyboard.press('/')
  await page.keyboard.type('alpha')
  await expect(page.getByRole('row', { name: /Beta work/ })).toBeHidden()
  await expect(page).toHaveURL(/text=alpha/)
  await expect(page.getByText('1 of 2')).toBeVisible()
})

test('a run without a sign of life is stalled, and can be ended and given back', async ({ page, agent }) => {
  const old = '2026-01-01T00:00:00Z'
  await agent.project('atlas')
  await agent.run('r1', 'atlas', { title: 'Forgotten', startedAt: old, createdAt: old, updatedAt: old })
  await agent.run('r2', 'atlas', { title: 'At work' })
  await page.goto('/runs?stalled=1')

  const row = page.getByRole('row', { name: /Forgotten/ })
  await expect(row).toContainText('Stalled')
  await expect(page.getByRole('row', { name: /At work/ })).toBeHidden()

  await page.getByRole('button', { name: 'Actions for Forgotten' }).click()
  await page.getByRole('menuitem', { name: 'Mark as cancelled' }).click()
  await expect(page.getByText('“Forgotten” is now Cancelled', { exact: true }).first()).toBeVisible()
  await expect(row).toBeHidden()

  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByText('Taken back', { exact: true }).first()).toBeVisible()
  expect(await agent.get<{ data: { status: string } }>('/agent/runs/r1')).toMatchObject({ data: { status: 'running' } })
})

test('the keyboard is enough to find and open a run', async ({ page, agent }) => {
  await agent.project('atlas')
  for (const number of [1, 2, 3]) await agent.run(`r${number}`, 'atlas', { title: `Run ${number}` })
  await page.goto('/runs')
  await expect(page.getByRole('row', { name: /Run 1/ })).toBeVisible()

  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await expect(page.getByRole('row', { name: /Run 2/ })).toHaveAttribute('aria-selected', 'true')
  await page.keyboard.press('k')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/runs\/r2$/)
})

test('a person starts a run by hand', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await page.goto('/runs')
  await page.getByRole('button', { name: 'Start a run' }).first().click()
  await page.getByLabel('What is to be done').fill('Review the contract')
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await expect(page).toHaveURL(/\/runs\/run-/)
})

test('runs can be narrowed to one project', async ({ page, agent }) => {
  await agent.project('atlas')
  await agent.project('borea')
  await agent.run('r1', 'atlas', { title: 'Alpha work' })
  await agent.run('r2', 'borea', { title: 'Beta work' })
  await page.goto('/runs?project=atlas')

  await expect(page.getByRole('row', { name: /Alpha work/ })).toBeVisible()
  await expect(page.getByRole('row', { name: /Beta work/ })).toBeHidden()
})

test('many runs are fetched as somebody scrolls, and counted at once', async ({ page, agent }) => {
  await agent.project('atlas')
  for (let first = 0; first < 260; first += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, index) => agent.run(`r${first + index}`, 'atlas', { title: `Run ${first + index}`, createdAt: `2026-01-01T00:${String(Math.floor((first + index) / 60)).padStart(2, '0')}:${String((first + index) % 60).padStart(2, '0')}Z` })))
  }
  await page.goto('/runs')
  await expect(page.getByText('260 runs')).toBeVisible()

  await page.getByRole('grid', { name: 'Runs' }).focus()
  await expect(async () => {
    await page.keyboard.press('End')
    await expect(page.getByRole('row', { name: /Run 0\b/ })).toBeVisible({ timeout: 500 })
  }).toPass()
  expect(await page.getByRole('row').count()).toBeLessThan(80)
})
