import { expect, PASSWORD, test } from './pilotdeck'

test('whoever is not signed in is asked to, and returns to where they wanted to be', async ({ browser, server, page }) => {
  await page.close()
  const stranger = await (await browser.newContext({ baseURL: server.url })).newPage()
  await stranger.goto('/settings')
  await expect(stranger).toHaveURL(/\/login\?return=\/settings/)

  await stranger.getByLabel('User name').fill('admin')
  await stranger.getByLabel('Password').fill('not this one')
  await stranger.getByRole('button', { name: 'Sign in' }).click()
  await expect(stranger.getByRole('alert')).toContainText('User name or password is wrong')

  await stranger.getByLabel('Password').fill(PASSWORD)
  await stranger.getByRole('button', { name: 'Sign in' }).click()
  await expect(stranger).toHaveURL('/settings')
  await expect(stranger.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible()
})

test('the palette goes to a project', async ({ agent, page }) => {
  await agent.project('proj-atlas', { name: 'Atlas' })
  await page.goto('/')
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible()
  await page.keyboard.press('Control+k')
  await page.getByPlaceholder('Go to, create, do…').fill('atl')
  await page.keyboard.press('Enter')

  await expect(page).toHaveURL('/projects/proj-atlas')
})
