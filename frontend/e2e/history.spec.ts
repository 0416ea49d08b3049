import { expect, test } from './pilotdeck'

test('a change is told in words and undone with a reason', async ({ page, agent }) => {
  await agent.project('apollo', { status: 'planning', tags: ['old'] })
  await agent.post('/agent/actions', { projectId: 'apollo', agentId: 'claude', actions: [{ type: 'set_status', params: { status: 'paused', reason: 'no fuel' } }] })
  await agent.patch('/projects/apollo', { tags: ['new'] })
  await page.goto('/projects/apollo/history')

  const paused = page.getByRole('listitem').filter({ hasText: 'no fuel' })
  await expect(paused).toContainText('claude')
  await expect(paused).toContainText(/Status\s*Planning\s*Paused/)
  await expect(page.getByRole('listitem').filter({ hasText: 'removed' })).toContainText(/old.*new/s)

  await paused.getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('textbox', { name: 'Reason' }).fill('there is fuel')
  await page.getByRole('button', { name: 'Undo this change' }).click()

  await expect(page.getByRole('button', { name: 'Status: Planning' })).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'there is fuel' })).toBeVisible()
  await expect(paused.getByRole('button', { name: 'Undo' })).toBeHidden()
})

test('an undo that comes too late says what stands in its way', async ({ page, agent }) => {
  await agent.project('apollo', { progress: 1 })
  await agent.patch('/projects/apollo', { progress: 2 })
  await page.goto('/projects/apollo/history')
  const change = page.getByRole('listitem').filter({ hasText: '2%' })
  await change.getByRole('button', { name: 'Undo' }).click()
  // The page hears of it, but the person is faster: the answer is what counts.
  await page.route('**/undo', async (route) => {
    await agent.patch('/projects/apollo', { progress: 3 })
    await route.continue()
  })

  await page.getByRole('button', { name: 'Undo this change' }).click()

  await expect(page.getByRole('alert')).toContainText('Progress')
})

test('the project is looked at as it was, and one value brought back', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo', category: 'moon' })
  await agent.patch('/projects/apollo', { name: 'Gemini' })
  await agent.patch('/projects/apollo', { category: 'orbit' })
  await page.goto('/projects/apollo/history')

  await page.getByRole('listitem').filter({ hasText: 'created the project' }).getByRole('button', { name: 'Look' }).click()
  await expect(page).toHaveURL(/at=\d+/)
  const past = page.getByRole('region', { name: 'As it was' })
  await expect(past).toContainText('2 fields are different now')
  await expect(past).toContainText(/Name\s*Apollo\s*Gemini/)
  await past.getByRole('button', { name: 'Bring back' }).first().click()

  await expect(past).toContainText('1 field is different now')
  await past.getByRole('button', { name: 'Back to now' }).click()
  await expect(past).toBeHidden()
})
