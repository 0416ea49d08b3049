import { createHmac } from 'node:crypto'

import type { Browser, Page } from '@playwright/test'

import { barriers } from './axe'
import { type Agent, expect, PASSWORD, test, type PilotDeck } from './pilotdeck'

const WORDS = 'words of somebody else'

/** A code as an authenticator app makes it (RFC 6238), a period of `later` from now. */
function code(secret: string, later = 0): string {
  const bits = [...secret].map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later))
  const digest = createHmac('sha1', key).update(counter).digest()
  const at = (digest.at(-1) ?? 0) & 15
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** A browser in which somebody signed in whom the administrator added. */
async function somebody(browser: Browser, server: PilotDeck, admin: Page, username: string, role: string): Promise<Page> {
  expect((await admin.context().request.post(`${server.url}/api/users`, { data: { username, password: WORDS, role } })).ok()).toBe(true)
  const page = await (await browser.newContext({ baseURL: server.url })).newPage()
  expect((await page.context().request.post(`${server.url}/api/auth/login`, { data: { username, password: WORDS } })).ok()).toBe(true)
  return page
}

async function twoProjects(agent: Agent) {
  await agent.project('proj-atlas', { name: 'Atlas' })
  await agent.project('proj-borealis', { name: 'Borealis' })
}

test('who is invited joins with the link, once, and sees only the projects of the invitation', async ({ agent, browser, page, server }) => {
  await twoProjects(agent)
  await page.goto('/people')
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  await page.getByRole('button', { name: 'Add a project' }).click()
  await page.getByRole('option', { name: 'Atlas' }).click()
  // The menu takes the focus back while it closes.
  await expect(page.getByRole('option')).toHaveCount(0)
  const fullName = page.getByRole('textbox', { name: 'Full name' })
  await expect(async () => {
    await fullName.fill('Grace Hopper')
    await expect(fullName).toHaveValue('Grace Hopper', { timeout: 500 })
  }).toPass()
  await page.getByRole('button', { name: 'Make the link' }).click()
  const dialog = page.getByRole('dialog', { name: 'Send this link' })
  const link = (await dialog.locator('code').innerText()).trim()
  expect(link).toContain(`${server.url}/join#`)
  await dialog.getByRole('button', { name: 'Done' }).click()
  await expect(page.getByRole('region', { name: 'Invitations' }).getByText('Grace Hopper')).toBeVisible()

  const other = await (await browser.newContext({ baseURL: server.url })).newPage()
  await other.goto(link)
  await other.getByLabel('User name').fill('grace')
  await other.getByLabel('Password', { exact: true }).fill(WORDS)
  await other.getByLabel('New password again').fill(WORDS)
  await other.getByRole('button', { name: 'Join' }).click()
  await expect(other.getByText('Welcome, grace').first()).toBeVisible()
  await other.goto('/projects?view=cards')
  await expect(other.getByRole('link', { name: 'Atlas' })).toBeVisible()
  await expect(other.getByRole('link', { name: 'Borealis' })).toHaveCount(0)
  await expect(page.getByRole('button', { name: 'Open Grace Hopper' })).toBeVisible()

  const late = await (await browser.newContext({ baseURL: server.url })).newPage()
  await late.goto(link)
  await late.getByLabel('User name').fill('mallory')
  await late.getByLabel('Password', { exact: true }).fill(WORDS)
  await late.getByLabel('New password again').fill(WORDS)
  await late.getByRole('button', { name: 'Join' }).click()
  await expect(late.getByRole('alert')).toContainText('used, taken back')
})

test('an administrator adds, changes and disables a person, who is signed out by it', async ({ browser, page, server }) => {
  const ada = await somebody(browser, server, page, 'ada', 'member')
  await ada.goto('/settings')
  await expect(ada.getByRole('heading', { name: 'API keys' })).toBeVisible()
  await page.goto('/people')
  await page.getByRole('button', { name: 'Open ada' }).click()
  const panel = page.getByRole('dialog')
  await panel.getByRole('textbox', { name: 'Full name' }).fill('Ada Lovelace')
  await panel.getByRole('radio', { name: 'Viewer' }).click()
  await panel.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('row', { name: /Ada Lovelace/ })).toContainText('Viewer')

  await page.getByRole('button', { name: 'Open Ada Lovelace' }).click()
  await panel.getByRole('button', { name: 'Disable' }).click()
  await expect(panel.getByRole('button', { name: 'Enable' })).toBeVisible()
  await expect(ada.getByRole('dialog', { name: 'Your session is over' })).toBeVisible()
})

test('signing in asks for a code of the app, and takes a recovery code once', async ({ browser, page, server }) => {
  await page.goto('/settings')
  await page.getByRole('button', { name: 'Set up' }).click()
  await page.getByRole('dialog').getByLabel('Your password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByRole('img', { name: 'QR code for the authenticator app' })).toBeVisible()
  const secret = (await page.getByRole('dialog').locator('pre').innerText()).trim()
  await page.getByLabel('Code of the app').fill(code(secret))
  await page.getByRole('button', { name: 'Turn on' }).click()
  const recovery = (await page.getByRole('list', { name: 'Keep these recovery codes' }).getByRole('listitem').first().innerText()).trim()
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await expect(page.getByText('Signing in asks for a code', { exact: true })).toBeVisible()

  const attempt = async (typed: string) => {
    const other = await (await browser.newContext({ baseURL: server.url })).newPage()
    await other.goto('/login')
    await other.getByLabel('User name').fill('admin')
    await other.getByLabel('Password').fill(PASSWORD)
    await other.getByRole('button', { name: 'Sign in' }).click()
    await other.getByLabel('Code').fill(typed)
    await other.getByRole('button', { name: 'Sign in' }).click()
    return other
  }
  await expect((await attempt(code(secret, 1))).getByRole('navigation', { name: 'Places' })).toBeVisible()
  await expect((await attempt(recovery)).getByRole('navigation', { name: 'Places' })).toBeVisible()
  await expect((await attempt(recovery)).getByRole('alert')).toContainText('This code does not open')

  await page.getByRole('button', { name: 'Turn off' }).click()
  await page.getByRole('dialog').getByLabel('Your password').fill(PASSWORD)
  await page.getByRole('dialog').getByRole('button', { name: 'Turn off' }).click()
  await expect(page.getByText('Signing in takes the password alone', { exact: true })).toBeVisible()
})

test('a key is shown once, opens what it is for, and nothing once it is revoked', async ({ agent, page, server }) => {
  await agent.project('proj-atlas')
  await page.goto('/settings')
  await page.getByRole('button', { name: 'New key' }).click()
  await page.getByRole('dialog').getByLabel('Name').fill('Nightly')
  await page.getByRole('button', { name: 'Make key' }).click()
  const key = (await page.getByRole('dialog').locator('pre').first().innerText()).trim()
  expect(key).toMatch(/^pd_/)
  await expect(page.getByRole('dialog').getByText(`X-API-Key: ${key}`)).toBeVisible()
  await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click()
  const ask = (method: string, path: string) => globalThis.fetch(`${server.url}/api${path}`, { method, headers: { 'X-API-Key': key } })

  expect((await ask('GET', '/projects')).status).toBe(200)
  expect((await ask('DELETE', '/projects/proj-atlas')).status).toBe(403)
  await page.getByRole('button', { name: 'Revoke Nightly' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await expect(page.getByText('You have no keys.')).toBeVisible()
  expect((await ask('GET', '/projects')).status).toBe(401)
})

test('a session that is ended in another browser is over, and nothing typed is lost', async ({ another, page }) => {
  const other = await another()
  await other.goto('/settings')
  await expect(other.getByText('This browser', { exact: true })).toBeVisible()
  await page.goto('/settings')
  await page.getByRole('button', { name: 'End all others' }).click()

  await expect(other.getByRole('dialog', { name: 'Your session is over' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'End all others' })).toHaveCount(0)
})

test('a viewer looks, and is offered nothing that would be refused', async ({ agent, browser, page, server }) => {
  await agent.project('proj-atlas', { name: 'Atlas' })
  const vera = await somebody(browser, server, page, 'vera', 'viewer')
  await page.context().request.post(`${server.url}/api/projects/proj-atlas/members`, { data: { username: 'vera', role: 'viewer' } })
  await vera.goto('/projects')
  await expect(vera.getByRole('link', { name: /Atlas/ })).toBeVisible()
  await expect(vera.getByRole('button', { name: 'New project' })).toHaveCount(0)
  await vera.keyboard.press('c')
  await expect(vera.getByRole('dialog')).toHaveCount(0)
  await expect(vera.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'People' })).toHaveCount(0)
  await expect(vera.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Operations' })).toHaveCount(0)

  await vera.goto('/projects/proj-atlas')
  await expect(vera.getByText('Read only')).toBeVisible()
  await expect(vera.getByRole('button', { name: /Edit/ })).toHaveCount(0)
  await vera.goto('/people')
  await expect(vera.getByRole('heading', { name: 'This page is for administrators' }).or(vera.getByText('You are signed in as vera'))).not.toHaveCount(0)
})

test('an owner chooses the members of a project, and the last owner stays', async ({ agent, browser, page, server }) => {
  await agent.project('proj-atlas', { name: 'Atlas' })
  const ada = await somebody(browser, server, page, 'ada', 'member')
  await page.goto('/projects/proj-atlas/settings')
  const members = page.getByRole('region', { name: 'Members' })
  await members.getByRole('button', { name: 'Choose a person' }).click()
  await page.getByRole('option', { name: 'ada' }).click()
  await members.getByRole('combobox', { name: 'Role', exact: true }).click()
  await page.getByRole('option', { name: /Owner/ }).click()
  await members.getByRole('button', { name: 'Add member' }).click()
  await expect(members.getByRole('listitem').filter({ hasText: 'ada' })).toContainText('also delete the project')

  await ada.goto('/projects/proj-atlas/settings')
  await ada.getByRole('button', { name: 'Leave' }).click()
  await ada.getByRole('dialog').getByRole('button', { name: 'Leave' }).click()
  await expect(ada.getByText('A project needs an owner. Make somebody else an owner first.', { exact: true })).toBeVisible()
})

for (const colorScheme of ['light', 'dark'] as const) {
  test(`pages about people shut nobody out and fit a phone, in the ${colorScheme} theme`, async ({ agent, page, server }) => {
    test.setTimeout(180_000)
    await agent.project('proj-atlas', { name: 'Atlas' })
    const api = page.context().request
    await api.post(`${server.url}/api/users`, { data: { username: 'ada', password: WORDS, fullName: 'Ada Lovelace', email: 'ada@example.org' } })
    await api.post(`${server.url}/api/projects/proj-atlas/members`, { data: { username: 'ada', role: 'owner' } })
    await api.post(`${server.url}/api/invitations`, { data: { role: 'viewer', fullName: 'Grace Hopper' } })
    await api.post(`${server.url}/api/keys`, { data: { name: 'Nightly', scopes: ['read', 'admin'] } })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    const found: string[] = []
    const look = async (what: string) => {
      await page.waitForTimeout(400)
      found.push(...(await barriers(page)).map((barrier) => `${what}: ${barrier}`))
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (overflow > 0) found.push(`${what} is ${overflow} px too wide`)
    }
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 })
      await page.goto('/people')
      await expect(page.getByText('Grace Hopper')).toBeVisible()
      await look('people')
      await page.getByRole('button', { name: 'Open Ada Lovelace' }).click()
      await expect(page.getByText('Not signed in anywhere.')).toBeVisible()
      await look('person')
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: 'Invite', exact: true }).click()
      await expect(page.getByRole('button', { name: 'Make the link' })).toBeVisible()
      await look('invite')
      await page.goto('/settings')
      await expect(page.getByText('Nightly')).toBeVisible()
      await look('settings')
      await page.getByRole('button', { name: 'New key' }).click()
      await expect(page.getByRole('button', { name: 'Make key' })).toBeVisible()
      await look('key')
      await page.goto('/projects/proj-atlas/settings')
      await expect(page.getByRole('button', { name: 'Add member' })).toBeVisible()
      await look('members')
      await page.goto('/join#token')
      await expect(page.getByRole('button', { name: 'Join' })).toBeVisible()
      await look('join')
    }
    expect(found).toEqual([])
  })
}
