// One whole flow of an agent, written with the types that are generated from the OpenAPI document. That it compiles
// shows that the document says what a client needs; that it passes shows that the document tells the truth.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'

import createClient from 'openapi-fetch'

import type { components, paths } from './schema.js'

const setting = (name: string): string => {
  const value = process.env[name]
  assert.ok(value, `${name} must be set`)
  return value
}

const api = createClient<paths>({
  baseUrl: setting('BASE_URL'),
  headers: { 'X-PM-Agent-Token': setting('AGENT_TOKEN') },
})

// What is made here is found again by these, whatever else the database holds.
const mark = randomUUID()
const runId = `run-${mark}`
const eventId = `evt-${mark}`
const actionId = `act-${mark}`
const agentId = `agent-${mark}`

let projectId = ''
let seen = ''

test('a project is created', async () => {
  const { data, error, response } = await api.POST('/api/projects', {
    body: { name: 'Typed client', status: 'in-progress', progress: 40, tags: ['typed'], budget: 100, github: 'pilot/deck' },
  })
  assert.equal(error, undefined)
  assert.equal(response.status, 201)
  assert.equal(data.data.name, 'Typed client')
  assert.equal(data.data.progress, 40)
  assert.equal(data.data.github, 'pilot/deck', 'fields of the client are kept')
  projectId = data.data.id
  seen = data.data.updatedAt
})

test('it is changed by the one who saw its version', async () => {
  const { data, error } = await api.PATCH('/api/projects/{id}', {
    params: { path: { id: projectId } },
    body: { priority: 'high', ifUpdatedAt: seen },
  })
  assert.equal(error, undefined)
  assert.equal(data.data.priority, 'high')
  assert.ok(data.data.updatedAt > seen, 'a change moves the version forward')
})

test('a change from an old version is refused', async () => {
  const { data, error, response } = await api.PATCH('/api/projects/{id}', {
    params: { path: { id: projectId } },
    body: { priority: 'low', ifUpdatedAt: seen },
  })
  assert.equal(data, undefined)
  assert.equal(response.status, 409)
  assert.equal(error?.success, false)
  assert.equal(error?.error, 'Conflict: updatedAt mismatch')
})

test('a run is started once', async () => {
  const start = () => api.POST('/api/agent/runs', { body: { id: runId, projectId, agentId, title: 'Typed run' } })
  const first = await start()
  const again = await start()
  assert.equal(first.response.status, 201)
  assert.equal(first.data?.data.status, 'running')
  assert.equal(again.response.status, 200)
  assert.equal(again.data?.message, 'run exists')
})

test('an event is appended once', async () => {
  const append = (title: string) =>
    api.POST('/api/agent/events', {
      body: { id: eventId, projectId, runId, agentId, type: 'milestone', title, data: { files: 3 } },
    })
  const first = await append('First')
  const again = await append('Second')
  assert.equal(first.response.status, 201)
  assert.equal(again.response.status, 200)
  assert.equal(again.data?.message, 'event exists')
  assert.equal(again.data?.data.title, 'First')
})

// A request to act is answered with results, unless it was a proposal.
const results = (answer: components['schemas']['ActAnswer'] | undefined) =>
  answer && 'results' in answer.data ? answer.data.results : []

test('an action changes the project, once', async () => {
  const bump = () =>
    api.POST('/api/agent/actions', {
      body: { projectId, runId, agentId, actions: [{ id: actionId, type: 'bump_progress', params: { delta: 5 } }] },
    })
  const first = await bump()
  const again = await bump()
  assert.equal(first.response.status, 200)
  const [done] = results(first.data)
  const [repeated] = results(again.data)
  assert.ok(done?.success)
  assert.equal(done.changed, true)
  assert.equal(done.project?.progress, 45)
  assert.ok(repeated?.success)
  assert.equal(repeated.message, 'action exists')
  const { data } = await api.GET('/api/projects/{id}', { params: { path: { id: projectId } } })
  assert.equal(data?.data.progress, 45)
})

test('the timeline shows the event and the action', async () => {
  const { data, error } = await api.GET('/api/agent/events', { params: { query: { runId } } })
  assert.equal(error, undefined)
  assert.deepEqual(
    data.data.map((event) => [event.id, event.type]),
    [
      [eventId, 'milestone'],
      [actionId, 'action.bump_progress'],
    ],
  )
})

test('usage is reported once', async () => {
  const report = () =>
    api.POST('/api/agent/usage', {
      body: {
        records: [
          { id: `usage-${mark}`, projectId, runId, agentId, model: 'm', promptTokens: 30, completionTokens: 12, totalTokens: 42, cost: 0.5 },
        ],
      },
    })
  const first = await report()
  const again = await report()
  assert.equal(first.data?.data.created, 1)
  assert.equal(again.data?.data.received, 1)
  assert.equal(again.data?.data.created, 0)
})

test('the run is finished', async () => {
  const { data, error } = await api.PATCH('/api/agent/runs/{id}', {
    params: { path: { id: runId } },
    body: { status: 'success', finishedAt: '2026-02-11T15:00:00Z', summary: 'Done' },
  })
  assert.equal(error, undefined)
  assert.equal(data.data.status, 'success')
  assert.equal(data.data.finishedAt, '2026-02-11T15:00:00.000000Z')
})

test('the statistics count the project', async () => {
  const { data, error } = await api.GET('/api/stats')
  assert.equal(error, undefined)
  assert.ok(data.data.total >= 1)
  assert.ok((data.data.byStatus['in-progress'] ?? 0) >= 1)
  assert.ok(data.data.financial.totalBudget >= 100)
})

test('the token statistics add up what was reported', async () => {
  const { data, error } = await api.GET('/api/stats/tokens', { params: { query: { agentId } } })
  assert.equal(error, undefined)
  const { records, promptTokens, completionTokens, totalTokens, cost } = data.data.totals
  assert.deepEqual(
    { records, promptTokens, completionTokens, totalTokens, cost },
    { records: 1, promptTokens: 30, completionTokens: 12, totalTokens: 42, cost: 0.5 },
  )
  assert.deepEqual(
    data.data.byProject.map((row) => row.projectId),
    [projectId],
  )
})

test('what is missing is a documented failure', async () => {
  const { data, error, response } = await api.GET('/api/projects/{id}', { params: { path: { id: 'proj-none' } } })
  assert.equal(data, undefined)
  assert.equal(response.status, 404)
  assert.equal(error?.success, false)
})
