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

test('a new server asks for another password until it has one', async ({ browser, server, page }) => {
  await page.close()
  const { PilotDeck } = await import('./pilotdeck')
  const fresh = await PilotDeck.start()
  try {
    const first = await (await browser.newContext({ baseURL: fresh.url })).newPage()
    await first.goto('/')
    await first.getByLabel('User name').fill('admin')
    await first.getByLabel('Password').fill('admin')
    await first.getByRole('button', { name: 'Sign in' }).click()
    const dialog = first.getByRole('dialog', { name: 'Choose your own password' })
    await dialog.getByLabel('New password', { exact: true }).fill('another password')
    await dialog.getByLabel('New password again').fill('another passwort')
    await expect(dialog.getByText('The two are not the same')).toBeVisible()
    await dialog.getByLabel('New password again').fill('another password')
    await dialog.getByRole('button', { name: 'Change password' }).click()

    await expect(dialog).toBeHidden()
    await expect(first.getByText('still has its default password')).toBeHidden()
  } finally {
    await fresh.remove()
  }
  expect(server.url).not.toBe('')
})

test('keys go everywhere, and their map says which', async ({ page }) => {
  await page.goto('/')
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible()
  await page.keyboard.press('g')
  await page.keyboard.press('p')
  await expect(page).toHaveURL('/projects')
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toContainText('New project')
  await page.keyboard.press('Escape')
  await page.keyboard.press('c')
  await expect(page.getByRole('dialog')).toBeVisible()
})

test('the browser decides on the language and the theme until the person does', async ({ browser, page, server }) => {
  await page.goto('/settings')
  await page.getByRole('radio', { name: 'Dark' }).click()
  await expect(page.locator('html')).toHaveClass(/dark/)
  await page.getByRole('combobox').first().click()
  await page.getByRole('option', { name: '中文' }).click()
  await expect(page.getByRole('heading', { name: '设置', level: 1 })).toBeVisible()
  await page.reload()
  await expect(page.locator('html')).toHaveClass(/dark/)
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN')

  const chinese = await (await browser.newContext({ baseURL: server.url, locale: 'zh-CN', colorScheme: 'dark' })).newPage()
  await chinese.goto('/')
  await expect(chinese.getByRole('button', { name: '登录' })).toBeVisible()
  await expect(chinese.locator('html')).toHaveClass(/dark/)
})

test('a lost connection is said, and what was missed is there when it is back', async ({ agent, page, server }) => {
  await agent.project('proj-atlas', { name: 'Atlas', status: 'in-progress' })
  await page.goto('/')
  await expect(page.getByRole('link', { name: /Atlas/ }).first()).toBeVisible()
  const lost = page.getByText('The server cannot be reached')
  await expect(lost).toBeHidden()

  await server.down()
  await expect(lost).toBeVisible()
  await server.up()
  await agent.project('proj-borealis', { name: 'Borealis', status: 'in-progress' })

  await expect(page.getByRole('link', { name: /Borealis/ }).first()).toBeVisible({ timeout: 20_000 })
  await expect(lost).toBeHidden()
})

test('a session that ended is renewed on the spot, and what was being typed is still there', async ({ agent, page }) => {
  await agent.project('atlas')
  await page.goto('/projects/atlas/settings')
  await page.getByRole('button', { name: 'Edit', exact: true }).first().click()
  await page.getByRole('dialog').getByLabel('Description').fill('half a sentence')
  await page.context().request.post('/api/auth/logout')

  const again = page.getByRole('dialog', { name: 'Your session is over' })
  await expect(again).toBeVisible({ timeout: 20_000 })
  await again.getByLabel('Password').fill(PASSWORD)
  await again.getByRole('button', { name: 'Sign in' }).click()
  await expect(again).toBeHidden()

  await expect(page.getByRole('dialog').getByLabel('Description')).toHaveValue('half a sentence')
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('dialog')).toBeHidden()
  await agent.patch('/projects/atlas', { name: 'Atlas renamed' })
  await expect(page.getByRole('button', { name: /^Name: Atlas renamed/ })).toBeVisible()
})

test('whoever signs out in one tab is out in the others', async ({ page }) => {
  await page.goto('/cost')
  const other = await page.context().newPage()
  await other.goto('/settings')
  await other.getByRole('button', { name: 'Sign out' }).click()

  await expect(other).toHaveURL(/\/login/)
  await expect(page).toHaveURL(/\/login/)
})

test('nothing that a browser keeps can break the page', async ({ agent, page }) => {
  await agent.project('atlas', { name: 'Atlas' })
  await page.addInitScript(() => {
    const names = ['theme', 'language', 'recent', 'currency', 'projects.view', 'projects.sort', 'views', 'stalledMinutes', 'seenSeq', 'dismissedRuns', 'sidebar', 'sidebar-main']
    names.forEach((name, index) => localStorage.setItem(`pilotdeck.${name}`, ['{"0":', 'null', '[null]', '-1e999', '{"a":1}'][index % 5] ?? ''))
  })
  for (const path of ['/', '/projects', '/runs?stalled=1&status=%00&status=b', '/settings', '/activity', '/cost?from=x&to=y&by=zzz']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  }
})

test('an address that leads nowhere says so and helps', async ({ page }) => {
  await page.goto('/no/such/page')

  await expect(page.getByRole('heading', { name: 'Page not found' }).first()).toBeVisible()
  await page.getByRole('main').last().getByRole('link', { name: 'Projects' }).click()
  await expect(page).toHaveURL('/projects')
})
