import { api, unwrap, type Schemas } from '@/api/client'

/** The tag by which samples are found again. */
export const SAMPLE_TAG = 'sample'

const HOUR_MS = 3_600_000
const AGENT = 'sample-agent'

/**
 * Makes a project with runs, events and actions as agents make them, and answers its id. It has no usage records: what was
 * spent stays in the totals for ever, and these would be made up.
 */
export async function makeSample(t: (key: string) => string): Promise<string> {
  const suffix = Date.now().toString(36)
  const id = `sample-${suffix}`
  const text = (key: string) => t(`projects.sample.${key}`)
  const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS).toISOString()

  await unwrap(
    api.POST('/api/projects', {
      body: {
        id,
        name: text('name'),
        description: text('description'),
        notes: text('notes'),
        status: 'in-progress',
        priority: 'high',
        progress: 40,
        tags: [SAMPLE_TAG],
        budget: 5000,
        cost: { total: 1250 },
      },
    }),
  )
  const run = (name: string, body: Schemas['StartRunBody']) =>
    unwrap(api.POST('/api/agent/runs', { body: { id: `${id}-${name}`, projectId: id, agentId: AGENT, tags: [SAMPLE_TAG], ...body } }))
  await run('plan', { title: text('plan'), status: 'success', createdAt: ago(30), startedAt: ago(30), finishedAt: ago(28), summary: text('planSummary') })
  await run('build', { title: text('build'), status: 'failed', createdAt: ago(6), startedAt: ago(6), finishedAt: ago(5), summary: text('buildSummary') })
  await run('fix', { title: text('fix'), status: 'success', createdAt: ago(2), startedAt: ago(2), finishedAt: ago(1), summary: text('fixSummary') })

  const event = (name: string, runName: string, type: string, level: string) =>
    unwrap(
      api.POST('/api/agent/events', {
        body: { id: `${id}-${name}`, runId: `${id}-${runName}`, projectId: id, agentId: AGENT, type, level, title: text(name) },
      }),
    )
  await event('milestone', 'plan', 'milestone', 'info')
  await event('risk', 'build', 'risk', 'warn')
  await event('broken', 'build', 'error', 'error')
  await event('result', 'fix', 'result', 'info')
  await unwrap(
    api.POST('/api/agent/actions', {
      body: {
        projectId: id,
        runId: `${id}-fix`,
        agentId: AGENT,
        actions: [
          { type: 'bump_progress', params: { delta: 15 } },
          { type: 'append_note', params: { note: text('note') } },
        ],
      },
    }),
  )
  return id
}
