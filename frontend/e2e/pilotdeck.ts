import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { test as base, expect, type APIRequestContext, type Page } from '@playwright/test'

const PASSWORD = 'a password for the journeys'
const STARTS_WITHIN_MS = 20_000

/** Variables of the environment, of a server that has a folder. */
export type Settings = (folder: string) => Record<string, string>

/** A real server on a database of its own, in a temporary folder. */
export class PilotDeck {
  private process: ChildProcess | undefined
  private readonly folder = mkdtempSync(join(tmpdir(), 'pilotdeck-journey-'))
  private said = ''

  private constructor(
    private readonly port: number,
    private readonly settings: Settings,
  ) {}

  /** `settings` are further variables of its environment. */
  static async start(settings: Settings = () => ({})): Promise<PilotDeck> {
    const server = new PilotDeck(await freePort(), settings)
    await server.up()
    return server
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  /** Starts it, again after {@link down} on the same database. */
  async up() {
    const program = process.env.PILOTDECK_PROGRAM
    if (!program) throw new Error('PILOTDECK_PROGRAM must name the binary')
    const environment = { PATH: process.env.PATH, HOME: process.env.HOME, PM_PORT: String(this.port), ...this.settings(this.folder) }
    this.process = spawn(program, ['serve', '--db', join(this.folder, 'pm.db')], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: Buffer) => (this.said += chunk.toString())
    this.process.stdout?.on('data', keep)
    this.process.stderr?.on('data', keep)
    const deadline = Date.now() + STARTS_WITHIN_MS
    while (!(await this.answers())) {
      if (Date.now() > deadline || this.process.exitCode !== null) throw new Error(`the server did not start:\n${this.said}`)
      await pause(50)
    }
  }

  private async answers() {
    try {
      return (await globalThis.fetch(`${this.url}/api/health`)).ok
    } catch {
      return false
    }
  }

  /** Stops it as an administrator would; its database stays. */
  async down() {
    if (!this.process || this.process.exitCode !== null) return
    const ended = once(this.process, 'exit')
    this.process.kill('SIGTERM')
    await ended
  }

  async remove() {
    await this.down()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

/** What agents and other clients do while a person looks on. */
export class Agent {
  constructor(
    private readonly request: APIRequestContext,
    private readonly url: string,
  ) {}

  async post<T = Record<string, unknown>>(path: string, data: object): Promise<T> {
    return this.answer(await this.request.post(`${this.url}/api${path}`, { data }))
  }

  async patch<T = Record<string, unknown>>(path: string, data: object): Promise<T> {
    return this.answer(await this.request.patch(`${this.url}/api${path}`, { data }))
  }

  async get<T = Record<string, unknown>>(path: string): Promise<T> {
    return this.answer(await this.request.get(`${this.url}/api${path}`))
  }

  private async answer<T>(response: Awaited<ReturnType<APIRequestContext['get']>>): Promise<T> {
    expect(response.ok(), `${response.url()} answered ${response.status()}: ${await response.text()}`).toBe(true)
    return (await response.json()) as T
  }

  project(id: string, fields: object = {}) {
    return this.post('/projects', { id, name: id, ...fields })
  }

  run(id: string, projectId: string, fields: object = {}) {
    return this.post('/agent/runs', { id, projectId, agentId: 'claude', title: id, ...fields })
  }

  event(projectId: string, title: string, fields: object = {}) {
    return this.post('/agent/events', { projectId, agentId: 'claude', title, ...fields })
  }
}

interface Fixtures {
  /** Further variables of the server's environment. */
  settings: Settings
  /** A server of this test alone. */
  server: PilotDeck
  /** An agent of that server. */
  agent: Agent
  /** A page of somebody who is signed in and has chosen a password. */
  page: Page
  /** Opens another browser that is signed in. */
  another: () => Promise<Page>
}

export const test = base.extend<Fixtures>({
  settings: [async ({}, use) => use(() => ({})), { option: true }],
  server: async ({ settings }, use) => {
    const server = await PilotDeck.start(settings)
    await use(server)
    await server.remove()
  },
  agent: async ({ server, playwright }, use) => {
    const request = await playwright.request.newContext()
    await use(new Agent(request, server.url))
    await request.dispose()
  },
  baseURL: async ({ server }, use) => use(server.url),
  page: async ({ page, server }, use) => {
    await signIn(page, server, true)
    const broken: string[] = []
    page.on('pageerror', (error) => broken.push(error.message))
    await use(page)
    expect(broken, 'errors of the page').toEqual([])
  },
  another: async ({ browser, server, page }, use) => {
    await page.title()
    const contexts: { close: () => Promise<void> }[] = []
    await use(async () => {
      const context = await browser.newContext({ baseURL: server.url })
      contexts.push(context)
      const other = await context.newPage()
      await signIn(other, server, false)
      return other
    })
    for (const context of contexts) await context.close()
  },
})

async function signIn(page: Page, server: PilotDeck, isFirst: boolean) {
  const api = page.context().request
  const password = isFirst ? 'admin' : PASSWORD
  expect((await api.post(`${server.url}/api/auth/login`, { data: { username: 'admin', password } })).ok()).toBe(true)
  if (!isFirst) return
  const change = { currentPassword: password, newPassword: PASSWORD }
  expect((await api.post(`${server.url}/api/auth/change-password`, { data: change })).ok()).toBe(true)
}

export { expect, PASSWORD }
