import type { Page } from '@playwright/test'

import { barriers } from './axe'
import { type Agent, expect, test } from './pilotdeck'

/** Every page there is, with something to show on it. */
const PAGES = [
  '/',
  '/projects?view=board',
  '/projects?view=cards',
  '/projects?view=table',
  '/projects/proj-atlas',
  '/projects/proj-atlas/runs',
  '/projects/proj-atlas/cost',
  '/projects/proj-atlas/history',
  '/projects/proj-atlas/notes',
  '/projects/proj-atlas/settings',
  '/runs',
  '/runs/run-1',
  '/agents',
  '/agents/capabilities',
  '/cost',
  '/activity',
  '/operations/backups',
  '/operations/restore',
  '/operations/deploy',
  '/operations/health',
  '/people',
  '/connect',
  '/settings',
  '/nothing-here',
]

async function fill(agent: Agent) {
  await agent.project('proj-atlas', { name: 'Atlas', status: 'in-progress', priority: 'high', progress: 40, tags: ['web', 'q4'], budget: 5000, cost: { total: 1200 }, revenue: { total: 300 }, notes: '# Notes\n\nSome **words**.', ticket: 'OPS-1' })
  await agent.project('proj-borealis', { name: 'Borealis', status: 'planning', budget: 100, cost: { total: 150 } })
  await agent.run('run-1', 'proj-atlas', { title: 'Login page', metrics: { files: 3 }, links: ['https://git.example/pr/1'] })
  await agent.run('run-2', 'proj-atlas', { title: 'Payments', status: 'failed', summary: 'The card was refused' })
  for (const level of ['debug', 'info', 'warn', 'error']) await agent.event('proj-atlas', `An ${level} event`, { runId: 'run-1', level, data: { level, nested: { list: [1, 2, 3] } } })
  await agent.post('/agent/actions', { projectId: 'proj-atlas', runId: 'run-1', agentId: 'claude', actions: [{ type: 'bump_progress', params: { delta: 5 } }] })
  await agent.post('/agent/actions', { projectId: 'proj-atlas', runId: 'run-1', type: 'set_priority', payload: { priority: 'urgent' }, rationale: 'It burns', status: 'pending_review', proposedBy: 'claude' })
  await agent.post('/agent/usage', { records: [
    { id: 'usage-1', projectId: 'proj-atlas', runId: 'run-1', agentId: 'claude', model: 'sonnet', promptTokens: 1200, completionTokens: 340, totalTokens: 1540, cost: 0.0123 },
    { id: 'usage-2', projectId: 'proj-atlas', agentId: 'codex', model: 'local', promptTokens: 100, completionTokens: 20, totalTokens: 120 },
  ] })
  await agent.post('/agent/profiles', { id: 'claude', name: 'Claude', role: 'builder', skills: ['rust'], permissions: { shell: 'restricted' } })
  await agent.post('/agent/capabilities', { id: 'cap-review', name: 'Review', promptPack: 'Read it twice.' })
}

async function settled(page: Page) {
  await expect(page.locator('main').last()).toBeVisible()
  await expect(page.locator('[role=status][aria-label=Loading]')).toHaveCount(0)
  await page.waitForTimeout(300)
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no page shuts anybody out, in the ${colorScheme} theme`, async ({ agent, page }) => {
    test.setTimeout(240_000)
    await fill(agent)
    await page.emulateMedia({ colorScheme })
    const found = new Map<string, string>()
    for (const path of PAGES) {
      await page.goto(path)
      await settled(page)
      for (const barrier of await barriers(page)) found.set(barrier, path)
    }
    expect([...found]).toEqual([])
  })
}

test('a full walk asks no other server for anything, and every message is there in both languages', async ({ agent, page, server }) => {
  test.setTimeout(240_000)
  await fill(agent)
  const foreign: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (!['data:', 'blob:'].includes(url.protocol) && url.origin !== server.url) foreign.push(request.url())
  })
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${page.url()} ${message.text()}`)
  })
  for (const language of ['en', 'zh']) {
    await page.addInitScript((chosen) => localStorage.setItem('pilotdeck.language', chosen), language)
    for (const path of PAGES) {
      await page.goto(path)
      await expect(page.locator('html')).toHaveAttribute('lang', language === 'zh' ? 'zh-CN' : 'en')
      await settled(page)
      // What is not translated shows as the path of its message.
      const raw = (await page.locator('body').innerText()).match(/\b(app|design|words|failures|identity|people|account|projects|runs|events|history|profiles|capabilities|usage|insights|ledger|operations)\.[a-z]+[a-zA-Z.]+\b/g)
      expect(raw?.filter((word) => !/^(event|run|project|usage)\./.test(word)) ?? [], `${language} ${path}`).toEqual([])
    }
  }

  expect(foreign).toEqual([])
  expect(complaints).toEqual([])
})

test('every page fits a small phone', async ({ agent, page }) => {
  test.setTimeout(120_000)
  await fill(agent)
  await page.setViewportSize({ width: 360, height: 740 })
  const wide: string[] = []
  for (const path of PAGES) {
    await page.goto(path)
    await settled(page)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (overflow > 0) wide.push(`${path} is ${overflow} px too wide`)
  }
  expect(wide).toEqual([])
})
