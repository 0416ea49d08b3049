import { expect, PASSWORD, test } from './pilotdeck'

test('the first call of an agent turns the page green', async ({ agent, page }) => {
  await page.goto('/connect')
  await expect(page.getByText('Waiting for the first call…')).toBeVisible()
  await expect(page.getByText(`export PILOTDECK_URL=${new URL(page.url()).origin}/api`)).toBeVisible()
  await agent.project('proj-first')

  await expect(page.getByText('Connected: an agent was heard')).toBeVisible()
})

test('a password is changed where the account is', async ({ page }) => {
  await page.goto('/settings')
  await page.getByLabel('Current password').fill('not this one')
  await page.getByLabel('New password', { exact: true }).fill('something else')
  await page.getByLabel('New password again').fill('something else')
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByRole('alert')).toBeVisible()

  await page.getByLabel('Current password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('The password is changed', { exact: true })).toBeVisible()
})
