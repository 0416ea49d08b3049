import { expect, test } from './pilotdeck'

test('an empty ledger hands over the first step, and a sample is made and deleted in one click each', async ({ page }) => {
  await page.goto('/')
  await expect(page.getByText(`${new URL(page.url()).origin}/api/projects`)).toBeVisible()

  await page.getByRole('button', { name: 'Make a sample project' }).click()
  await expect(page).toHaveURL(/\/projects\/sample-/)

  await page.goto('/settings')
  await page.getByRole('button', { name: 'Delete it' }).click()
  await expect(page.getByText('The sample is deleted; its runs and events stay in the ledger', { exact: true })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Make a sample project' })).toBeVisible()
})

test('the overview shows what an agent does as it happens', async ({ agent, page }) => {
  await agent.project('proj-atlas', { name: 'Atlas', status: 'in-progress', progress: 10 })
  await page.goto('/')
  await expect(page.getByText('No agent is at work.')).toBeVisible()

  await agent.run('run-1', 'proj-atlas', { title: 'Build the login' })
  await expect(page.getByRole('link', { name: /Build the login.*claude · Atlas/ })).toBeVisible()
  await agent.post('/agent/usage', { records: [{ id: 'u1', projectId: 'proj-atlas', model: 'sonnet', totalTokens: 5000, cost: 1.5 }] })
  await expect(page.getByRole('link', { name: /Cost today.*\$1\.50/ })).toBeVisible()

  await agent.patch('/agent/runs/run-1', { status: 'failed' })
  await expect(page.getByText('No agent is at work.')).toBeVisible()
  await page.getByRole('button', { name: 'Mark Build the login as seen' }).click()
  await expect(page.getByText('Nothing waits for you.')).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByRole('button', { name: 'Mark Build the login as seen' })).toBeVisible()
})

test('a proposal is decided where it waits', async ({ agent, page }) => {
  await agent.project('proj-atlas', { name: 'Atlas', priority: 'low' })
  await agent.post('/agent/actions', { projectId: 'proj-atlas', type: 'set_priority', payload: { priority: 'urgent' }, rationale: 'It burns', status: 'pending_review', proposedBy: 'claude' })
  await page.goto('/')
  await expect(page.getByText('It burns')).toBeVisible()
  await page.getByRole('button', { name: 'Accept' }).click()

  await expect(page.getByText('Nothing waits for you.')).toBeVisible()
  const { data } = await agent.get<{ data: { priority: string } }>('/projects/proj-atlas')
  expect(data.priority).toBe('urgent')
})

test('what changed since the last look is counted until it is seen', async ({ agent, page }) => {
  await agent.project('proj-atlas', { name: 'Atlas' })
  await page.goto('/')
  await expect(page.getByText('Nothing has changed.')).toBeVisible()
  await agent.event('proj-atlas', 'one')
  await agent.event('proj-atlas', 'two')

  await expect(page.getByText('2 events')).toBeVisible()
  await page.getByRole('button', { name: 'Seen', exact: true }).click()
  await expect(page.getByText('Nothing has changed.')).toBeVisible()
})
