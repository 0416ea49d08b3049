import type { Page } from '@playwright/test'

import { expect, test } from './pilotdeck'

const column = (page: Page, name: string) => page.getByRole('region', { name: new RegExp(`^${name}, `) })
const row = (page: Page, name: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) })

test('a project is made in the panel, with a field of its own', async ({ page, agent }) => {
  await page.goto('/projects')
  await expect(page.getByText('No projects yet')).toBeVisible()
  await expect(page.getByText(`curl -X POST ${new URL(page.url()).origin}/api/projects`)).toBeVisible()

  await page.keyboard.press('c')
  const panel = page.getByRole('dialog', { name: 'New project' })
  await panel.getByRole('textbox', { name: 'Name' }).fill('Apollo')
  await panel.getByLabel('Budget').fill('1,200.50')
  await panel.getByRole('button', { name: 'Add field' }).click()
  await panel.getByLabel('Field name').fill('owner')
  await panel.getByRole('textbox', { name: 'Value of owner' }).fill('Ada')
  await page.keyboard.press('Control+Enter')

  await expect(page.getByText('Apollo is created', { exact: true })).toBeVisible()
  await expect(page).toHaveURL(/\/projects\/proj-/)
  const { data } = await agent.get<{ data: Record<string, unknown>[] }>('/projects')
  expect(data[0]).toMatchObject({ name: 'Apollo', budget: 1200.5, owner: 'Ada' })
})

test('what is typed in the panel is neither lost by a click outside nor overwritten by others', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo', risks: ['late'] })
  await page.goto('/projects?view=cards')
  await page.getByRole('button', { name: 'Actions for Apollo' }).click()
  await page.getByRole('menuitem', { name: 'Edit' }).click()
  const panel = page.getByRole('dialog', { name: 'Edit project' })
  await panel.getByLabel('Description').fill('To the moon')
  await agent.patch('/projects/apollo', { workspace: '/moon' })

  await expect(panel.getByLabel('Workspace')).toHaveValue('/moon')
  await expect(panel.getByLabel('Description')).toHaveValue('To the moon')
  await page.mouse.click(20, 400)
  await page.getByRole('button', { name: 'Keep editing' }).click()
  await panel.getByRole('textbox', { name: 'Value of risks' }).fill('{')
  await expect(panel.getByText('This is no JSON.')).toBeVisible()
  await panel.getByRole('button', { name: 'Remove the value of risks' }).click()
  await panel.getByRole('button', { name: 'Save' }).click()

  await expect(panel).toBeHidden()
  const { data } = await agent.get<{ data: object }>('/projects/apollo')
  expect(data).toMatchObject({ description: 'To the moon', workspace: '/moon', risks: null })
})

test('a card moves over the board by keys and by the mouse', async ({ page, agent }) => {
  for (const name of ['one', 'two', 'three']) await agent.project(name, { status: 'planning' })
  await page.goto('/projects?view=board')
  const names = () => column(page, 'Planning').getByRole('heading', { level: 3 }).allInnerTexts()
  await expect.poll(names).toEqual(['one', 'two', 'three'])

  await page.getByRole('link', { name: /^one,/ }).focus()
  await page.keyboard.press('Alt+ArrowDown')
  await expect.poll(names).toEqual(['two', 'one', 'three'])
  await expect(page.getByRole('link', { name: /^one,/ })).toBeFocused()
  await page.keyboard.press(']')
  await expect(column(page, 'In progress').getByRole('link', { name: /^one,/ })).toBeFocused()
  await expect(page.getByText('one: In progress').first()).toBeAttached()
  await expect(column(page, 'Planning')).toHaveAccessibleName('Planning, 2 projects')

  const from = await page.getByRole('link', { name: /^three,/ }).boundingBox()
  const to = await page.getByRole('link', { name: /^one,/ }).boundingBox()
  if (!from || !to) throw new Error('the cards are not to be seen')
  await page.mouse.move(from.x + 20, from.y + 5)
  await page.mouse.down()
  await page.mouse.move(to.x + 20, to.y, { steps: 8 })
  await page.mouse.up()
  await expect(column(page, 'In progress').getByRole('heading', { level: 3 })).toHaveText(['three', 'one'])
  await expect(page).toHaveURL(/\/projects\?/)
  const { data } = await agent.get<{ data: { id: string; status: string }[] }>('/projects')
  expect(data.map(({ id, status }) => [id, status])).toEqual([['two', 'planning'], ['three', 'in-progress'], ['one', 'in-progress']])

  await page.getByRole('button', { name: 'Undo' }).last().click()
  await expect(column(page, 'Planning').getByRole('heading', { level: 3 })).toHaveCount(2)
})

test('a table is edited where it stands', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo', progress: 10 })
  await page.goto('/projects?view=table')

  await page.getByRole('button', { name: /^Edit Progress of Apollo/ }).click()
  await page.getByRole('spinbutton', { name: 'Edit Progress of Apollo' }).fill('250')
  await page.keyboard.press('Enter')
  await expect(row(page, 'Apollo')).toContainText('100%')
  await page.getByRole('button', { name: /^Edit Tags of Apollo/ }).click()
  await page.getByRole('textbox', { name: 'Edit Tags of Apollo' }).fill('moon, crew')
  await page.getByRole('columnheader', { name: 'Budget' }).click()
  await expect(row(page, 'Apollo')).toContainText('moon, crew')
  await row(page, 'Apollo').focus()
  await page.keyboard.press('F2')
  await page.keyboard.type('Gemini')
  await page.keyboard.press('Escape')
  await expect(row(page, 'Apollo')).toBeFocused()
  await page.getByRole('button', { name: /^Edit Status of Apollo/ }).click()
  await page.getByRole('option', { name: 'Paused' }).click()
  await expect(page.getByText('Apollo: Paused', { exact: true }).first()).toBeVisible()

  const { data } = await agent.get<{ data: object }>('/projects/apollo')
  expect(data).toMatchObject({ name: 'Apollo', progress: 100, tags: ['moon', 'crew'], status: 'paused' })
})

test('many projects are chosen and changed by keys, and changed back', async ({ page, agent }) => {
  for (const name of ['one', 'two', 'three']) await agent.project(name)
  await page.goto('/projects?view=table')
  await expect(row(page, 'one')).toBeVisible()

  await page.keyboard.press('j')
  await expect(row(page, 'one')).toBeFocused()
  await page.keyboard.press('x')
  await page.keyboard.press('Shift+ArrowDown')
  await expect(page.getByText('2 selected')).toBeVisible()
  await page.getByRole('region', { name: 'Selection' }).getByRole('button', { name: 'Priority' }).click()
  await page.getByRole('menuitem', { name: 'Urgent' }).click()

  await expect(page.getByText('2 projects changed', { exact: true })).toBeVisible()
  await expect(page.getByRole('row').filter({ hasText: 'Urgent' })).toHaveCount(2)
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByRole('row').filter({ hasText: 'Urgent' })).toHaveCount(0)

  await row(page, 'two').focus()
  await page.keyboard.press('Control+a')
  await expect(page.getByText('3 selected')).toBeVisible()
  await page.keyboard.press('Delete')
  await expect(page.getByText('Its runs, events and costs stay')).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page.getByText('No projects yet')).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).last().click()
  await expect(page.getByRole('link', { name: 'three', exact: true })).toBeVisible()
})

test('filters stand in the address, and are kept under a name', async ({ page, agent }) => {
  await agent.project('hot', { priority: 'urgent' })
  await agent.project('cold', { priority: 'low' })
  await agent.project('done', { status: 'completed' })
  await page.goto('/projects?view=cards')
  await expect(page.getByText('1 finished hidden')).toBeVisible()

  await page.keyboard.press('a')
  await expect(page.getByRole('link', { name: 'done' })).toBeVisible()
  await page.keyboard.press('a')
  await page.keyboard.press('/')
  await page.keyboard.type('hot')
  await expect(page).toHaveURL(/q=hot/)
  await expect(page.getByRole('link', { name: 'cold' })).toBeHidden()
  await page.getByRole('button', { name: 'Save view' }).click()
  await page.getByRole('dialog').getByLabel('Name').fill('What burns')
  await page.keyboard.press('Enter')

  await page.goto('/projects?view=cards')
  await expect(page.getByRole('link', { name: 'cold' })).toBeVisible()
  await page.getByRole('button', { name: 'What burns', exact: true }).click()
  await expect(page.getByRole('link', { name: 'cold' })).toBeHidden()
  await expect(page.getByRole('searchbox')).toHaveValue('hot')

  await page.getByRole('searchbox').fill('nothing like it')
  await expect(page.getByText('No project matches')).toBeVisible()
  await page.getByRole('button', { name: 'Clear filters' }).last().click()
  await expect(page.getByRole('link', { name: 'cold' })).toBeVisible()
})

test('two people see each other, also on a phone', async ({ page, another, agent }) => {
  await agent.project('apollo', { name: 'Apollo', status: 'planning', budget: 10, cost: 20 })
  await page.goto('/projects?view=board')
  const other = await another()
  await other.setViewportSize({ width: 360, height: 740 })
  await other.goto('/projects?view=table')
  await other.getByRole('link', { name: 'Apollo' }).waitFor()
  expect(await other.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)

  await expect(page.getByText('Over budget', { exact: true })).toBeVisible()
  await page.getByRole('link', { name: /^Apollo,/ }).focus()
  await page.keyboard.press(']')

  await expect(row(other, 'Apollo')).toContainText('In progress')
})

test('a thousand projects are a few elements', async ({ page, agent }) => {
  test.slow()
  const size = 1000
  for (let from = 0; from < size; from += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, at) => agent.project(`p-${String(from + at).padStart(4, '0')}`)))
  }
  await page.goto('/projects?view=table&sort=name')
  await expect(row(page, 'p-0000')).toBeVisible()

  expect(await page.getByRole('row').count()).toBeLessThan(100)
  await page.keyboard.press('j')
  await page.keyboard.press('End')
  await expect(row(page, 'p-0999')).toBeFocused()
})

test('finance records make the cost and the revenue, and can be taken back', async ({ page, agent }) => {
  await agent.project('apollo', { name: 'Apollo', budget: 100, cost: { total: 5, cloud: 5 }, orders: [{ id: 'ord-old00001', title: 'Old licence', amount: 40, createdAt: '2026-01-01T00:00:00.000Z' }] })
  await page.goto('/projects/apollo/cost')
  const books = page.getByRole('region', { name: 'Finance records' })
  await expect(books.getByRole('row', { name: /Old licence/ })).toContainText('+¥40')

  await books.getByRole('button', { name: 'Add record' }).click()
  await books.getByRole('textbox', { name: 'Title' }).fill('Server')
  await books.getByRole('textbox', { name: 'Amount' }).fill('12.34')
  await expect(books.getByText('net ¥27.66')).toBeVisible()
  await page.keyboard.press('Enter')

  await expect(books.getByRole('row', { name: /Server/ })).toContainText('−¥12.34')
  const project = async () => (await agent.get<{ data: Record<string, unknown> }>('/projects/apollo')).data
  expect(await project()).toMatchObject({ cost: { total: 12.34, cloud: 5 }, revenue: { total: 40 }, orders: [{ id: 'ord-old00001', kind: 'income' }, { title: 'Server', kind: 'expense', amount: 12.34 }] })

  await books.getByRole('button', { name: 'Delete the record Server' }).click()
  await expect(books.getByRole('row', { name: /Server/ })).toBeHidden()
  expect(await project()).toMatchObject({ cost: { total: 0, cloud: 5 } })
  await page.getByRole('button', { name: 'Undo' }).last().click()
  await expect(books.getByRole('row', { name: /Server/ })).toBeVisible()
})

test('what somebody else wrote while a cell was edited is not overwritten unseen', async ({ agent, page }) => {
  await agent.project('apollo', { name: 'Apollo', category: 'moon' })
  await page.goto('/projects?view=table')
  await page.getByRole('button', { name: /Category.*Apollo.*moon/ }).click()
  const cell = page.getByRole('combobox', { name: /Category.*Apollo/ })
  await agent.patch('/projects/apollo', { category: 'orbit' })
  await expect(page.getByText('orbit').or(cell)).toBeVisible()

  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: /Category.*Apollo.*orbit/ })).toBeVisible()
  await expect(page.getByRole('dialog')).toBeHidden()

  await page.getByRole('button', { name: /Category.*Apollo.*orbit/ }).click()
  await cell.fill('mine')
  await agent.patch('/projects/apollo', { category: 'theirs' })
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog').getByRole('radio', { name: /What is there now theirs/ })).toBeVisible()
})
