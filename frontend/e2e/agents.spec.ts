import { expect, test } from './pilotdeck'

test('a profile is made, edited, switched off, deleted and brought back', async ({ page, agent }) => {
  await page.goto('/agents')
  await expect(page.getByText('No profiles yet')).toBeVisible()
  await page.getByRole('button', { name: 'New profile' }).first().click()
  await page.getByLabel('Id', { exact: true }).fill('planner-1')
  await page.getByLabel('Name', { exact: true }).fill('Planner')
  await page.getByLabel('Permissions').fill('{ not json')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await expect(page.getByText(/must be a JSON object/)).toBeVisible()
  await page.getByLabel('Permissions').fill('{ "shell": "none" }')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await expect(page.getByRole('dialog')).toBeHidden()

  await page.getByRole('button', { name: 'Planner', exact: true }).click()
  await expect(page.getByLabel('Permissions')).toHaveValue(/"shell": "none"/)
  await page.getByLabel('Description').fill('Plans things')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Plans things')).toBeVisible()

  await page.getByRole('switch', { name: 'Planner is in use' }).click()
  await expect.poll(async () => (await agent.get<{ data: { enabled: boolean } }>('/agent/profiles/planner-1')).data.enabled).toBe(false)

  await page.getByRole('button', { name: 'Delete Planner' }).click()
  await expect(page.getByText('No profiles yet')).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByRole('button', { name: 'Planner', exact: true })).toBeVisible()
  expect(await agent.get('/agent/profiles/planner-1')).toMatchObject({ data: { description: 'Plans things', enabled: false, permissions: { shell: 'none' } } })
})

test('agents show what they did and cost, also those without a profile', async ({ page, agent }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await agent.post('/agent/profiles', { id: 'claude', name: 'Claude' })
  await agent.run('r1', 'atlas')
  await agent.post('/agent/usage', { agentId: 'claude', projectId: 'atlas', totalTokens: 12_000, promptTokens: 12_000, cost: 0.5, model: 'm' })
  await agent.run('r2', 'atlas', { agentId: 'stranger' })
  await page.goto('/agents')

  const row = page.getByRole('listitem').filter({ hasText: 'Claude' })
  await expect(row).toContainText('12K')
  await expect(row).toContainText('$0.50')
  await expect(row.getByRole('link', { name: '1 runs of claude' })).toBeVisible()

  await agent.run('r3', 'atlas')
  await expect(row.getByRole('link', { name: '2 runs of claude' })).toBeVisible()

  await page.getByRole('button', { name: 'Claude', exact: true }).click()
  await expect(page.getByRole('dialog').getByRole('link', { name: 'Atlas' })).toBeVisible()
  await page.keyboard.press('Escape')

  await page.getByRole('button', { name: 'Create a profile for stranger' }).click()
  await expect(page.getByLabel('Id', { exact: true })).toHaveValue('stranger')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await expect(page.getByText('Seen without a profile')).toBeHidden()
})

test('what is typed stays when somebody else changes the same profile', async ({ page, agent }) => {
  await agent.post('/agent/profiles', { id: 'claude', name: 'Claude', description: 'old' })
  await page.goto('/agents?open=claude')
  await page.getByLabel('Description').fill('mine')

  await agent.patch('/agent/profiles/claude', { role: 'tester' })

  await expect(page.getByText('Somebody changed this while you were editing')).toBeVisible()
  await expect(page.getByLabel('Description')).toHaveValue('mine')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('dialog')).toBeHidden()
  expect(await agent.get('/agent/profiles/claude')).toMatchObject({ data: { description: 'mine', role: 'tester' } })
})

test('capabilities are made by the same means', async ({ page }) => {
  await page.goto('/agents')
  await page.getByRole('link', { name: 'Capabilities' }).click()
  await page.getByRole('button', { name: 'New capability' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill('Careful delivery')
  await page.getByLabel('Prompt').fill('Never push by force.')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await expect(page.getByRole('list', { name: 'Capabilities' }).getByRole('listitem').filter({ hasText: 'Careful delivery' })).toContainText('not recorded')
})
