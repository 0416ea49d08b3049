import { expect, test } from './pilotdeck'

const EVENTS = 10_000
/** Many small requests at once are taken fastest: the server writes them together. */
const AT_ONCE = 40

/** Past the recorder of the journeys, which keeps every request it sees and takes longer for that than the server. */
async function append(url: string, title: string) {
  const body = JSON.stringify({ projectId: 'big', agentId: 'claude', title })
  const response = await globalThis.fetch(`${url}/api/agent/events`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  if (response.status !== 201) throw new Error(`not appended: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}

test('a project is changed on the spot', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo', tags: ['moon', 11], status: 'odd-word', cost: null })
  await page.goto('/projects/apollo')

  await page.getByRole('button', { name: /^Name: Apollo/ }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('Gemini')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('button', { name: /^Name: Apollo/ })).toBeFocused()

  await page.keyboard.press('Enter')
  await page.getByRole('textbox', { name: 'Name' }).fill('Mercury')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: /^Name: Mercury/ })).toBeVisible()

  await page.getByRole('button', { name: 'Status: odd-word' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'In progress' }).click()
  await expect(page.getByRole('button', { name: 'Status: In progress' })).toBeVisible()

  await page.getByRole('button', { name: /^Progress: 0/ }).click()
  await page.getByRole('spinbutton', { name: 'Progress' }).fill('140')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: /^Progress: 100/ })).toBeVisible()

  const { data } = await agent.get<{ data: Record<string, unknown> }>('/projects/apollo')
  expect(data).toMatchObject({ name: 'Mercury', status: 'in-progress', progress: 100, tags: ['moon', '11'] })
})

test('what was changed can be taken back from the notice', async ({ page, agent }) => {
  await agent.project('apollo', { priority: 'low' })
  await page.goto('/projects/apollo')

  await page.getByRole('button', { name: 'Priority: Low' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'Urgent' }).click()
  await page.getByRole('button', { name: 'Undo' }).click()

  await expect(page.getByRole('button', { name: 'Priority: Low' })).toBeVisible()
})

test('two browsers see each other’s changes, and what is being typed stays', async ({ page, another, agent }) => {
  await agent.project('apollo', { name: 'Apollo' })
  const other = await another()
  await page.goto('/projects/apollo')
  await other.goto('/projects/apollo')

  await other.getByRole('button', { name: /^Category: / }).click()
  await other.getByRole('combobox', { name: 'Category' }).or(other.getByRole('textbox', { name: 'Category' })).fill('half wri')
  await page.getByRole('button', { name: 'Status: Planning' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'Paused' }).click()

  await expect(other.getByRole('button', { name: 'Status: Paused' })).toBeVisible({ timeout: 2_000 })
  await expect(other.getByLabel('Category', { exact: true })).toHaveValue('half wri')
})

test('two people change the same field: the second one sees both and chooses', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo' })
  await page.goto('/projects/apollo')
  await page.getByRole('button', { name: /^Name: Apollo/ }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('My name')

  await agent.patch('/projects/apollo', { name: 'Their name' })
  await page.keyboard.press('Enter')

  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('radio', { name: /What you wrote My name/ })).toBeVisible()
  await expect(dialog.getByRole('radio', { name: /What is there now Their name/ })).toBeVisible()
  await dialog.getByRole('radio', { name: /Their name/ }).check()
  await dialog.getByRole('button', { name: 'Save my choice' }).click()
  await expect(page.getByRole('button', { name: /^Name: Their name/ })).toBeVisible()
})

test('notes save themselves, survive a reload, and meet those of others', async ({ page, agent }) => {
  await agent.project('apollo', { notes: 'one' })
  await page.goto('/projects/apollo/notes')
  const field = page.getByRole('textbox', { name: 'Write' })

  await field.fill('# Two')
  const stored = async () => (await agent.get<{ data: { notes: string } }>('/projects/apollo')).data.notes
  await expect.poll(stored).toBe('# Two')
  await expect(page.getByRole('status').filter({ hasText: 'Saved' })).toBeVisible()
  await expect(page.getByRole('region', { name: 'Preview' }).getByRole('heading', { name: 'Two' })).toBeVisible()

  await field.pressSequentially(' and')
  await agent.patch('/projects/apollo', { notes: 'theirs\nline by line' })
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('radio', { name: /What is there now theirs/ })).toBeVisible()
  await dialog.getByRole('radio', { name: 'Both, put together' }).check()
  await expect(dialog.getByRole('textbox', { name: 'Both texts, put together' })).toHaveValue('theirs\nline by line\n# Two and')
  await dialog.getByRole('radio', { name: /What you wrote/ }).check()
  await dialog.getByRole('button', { name: 'Save my choice' }).click()
  await expect(dialog).toBeHidden()
  expect(await stored()).toBe('# Two and')

  page.on('dialog', (ask) => void ask.accept())
  await field.pressSequentially(' more')
  await page.reload()
  await expect(field).toHaveValue('# Two and more')
  await expect.poll(stored).toBe('# Two and more')
})

test('the timeline shows what happens while it happens, under its run', async ({ page, agent, server }) => {
  await agent.project('apollo')
  await page.goto('/projects/apollo')
  await expect(page.getByText('No agent has reported yet')).toBeVisible()
  await expect(page.getByText(`${server.url}/api/agent/events`)).toBeVisible()

  await agent.run('run-1', 'apollo', { title: 'Build the lander' })
  await agent.event('apollo', 'Legs unfold', { runId: 'run-1' })
  await agent.event('apollo', 'Fuel is low', { level: 'warn', type: 'risk', message: 'less than **half**', data: { litres: 3 } })

  const list = page.getByRole('list', { name: 'Timeline' })
  const group = list.getByRole('button', { name: /Build the lander/ })
  await expect(group).toContainText('1 entry', { timeout: 2_000 })
  await group.click()
  await expect(list.getByRole('button', { name: /^Legs unfold/ })).toBeVisible()

  await list.getByRole('button', { name: /Fuel is low/ }).click()
  await expect(list.getByText('litres:')).toBeVisible()
  await expect(list.locator('strong', { hasText: 'half' })).toBeVisible()

  await page.keyboard.press('j')
  await expect(group).toBeFocused()
  await page.keyboard.press('ArrowDown')
  await expect(list.getByRole('button', { name: /^Legs unfold/ })).toBeFocused()
  await page.keyboard.press('k')
  await expect(group).toBeFocused()
  await page.keyboard.press('/')
  await expect(page.getByRole('searchbox', { name: 'Search this timeline' })).toBeFocused()

  await page.getByRole('combobox', { name: 'Level' }).click()
  await page.getByRole('option', { name: 'Warnings and errors' }).click()
  await expect(page).toHaveURL(/level=warn/)
  await expect(group).toBeHidden()
  await expect(list.getByRole('button', { name: /Fuel is low/ })).toBeVisible()
  await agent.event('apollo', 'All is well')
  await agent.event('apollo', 'The hatch is open', { level: 'error' })
  await expect(list.getByRole('button', { name: /The hatch is open/ })).toBeVisible({ timeout: 2_000 })
  await expect(list.getByRole('button', { name: /All is well/ })).toBeHidden()
})

test('ten thousand events stay quick, from the newest to the first', async ({ page, agent, server }) => {
  test.setTimeout(300_000)
  await agent.project('big')
  let next = 0
  const work = async () => {
    while (next < EVENTS) await append(server.url, `event ${next++}`)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  await page.goto('/projects/big')
  const list = page.getByRole('list', { name: 'Timeline' })
  await expect(list.getByRole('button', { name: /event \d+/ }).first()).toBeVisible()

  const scroll = () => list.evaluate((element) => {
    let box: HTMLElement | null = element as HTMLElement
    while (box && !/auto|scroll/.test(getComputedStyle(box).overflowY)) box = box.parentElement
    box?.scrollTo({ top: box.scrollHeight })
  })
  await expect(async () => {
    await scroll()
    await expect(page.getByText('This is where it began')).toBeVisible({ timeout: 200 })
  }).toPass({ timeout: 60_000 })
  expect(await list.getByRole('listitem').count()).toBeLessThan(80)

  await agent.event('big', 'a new one')
  await expect(page.getByRole('button', { name: '1 new' })).toBeVisible({ timeout: 3_000 })
  await page.getByRole('button', { name: '1 new' }).click()
  await expect(list.getByRole('button', { name: /a new one/ })).toBeVisible()

  await page.getByRole('searchbox', { name: 'Search this timeline' }).fill('event 777')
  await expect(list.getByRole('button', { name: /^event 777 / })).toBeVisible()
})

test('a project that was deleted says so and comes back', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo', notes: 'keep me' })
  await page.goto('/projects/apollo/settings')

  await page.getByRole('button', { name: 'Delete this project' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('button', { name: 'Delete' })).toBeDisabled()
  await dialog.getByRole('textbox').fill('Apollo')
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect(page).toHaveURL(/\/projects$/)

  await page.goto('/projects/apollo')
  await expect(page.getByText('Apollo was deleted')).toBeVisible()
  await page.getByRole('button', { name: 'Create it again' }).click()
  await expect(page.getByRole('button', { name: /^Name: Apollo/ })).toBeVisible()
  await page.goto('/projects/nothing-here')
  await expect(page.getByText('There is no such project')).toBeVisible()
})
