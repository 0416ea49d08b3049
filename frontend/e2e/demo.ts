import type { Agent } from './pilotdeck'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The same numbers each time: pictures of two runs can be compared. */
function numbers(seed: number) {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

const PROJECTS = [
  { id: 'checkout', name: 'Checkout redesign', status: 'in-progress', priority: 'urgent', progress: 64, category: 'Shop', tags: ['web', 'payments'], budget: 42_000, cost: { total: 28_450 }, revenue: { total: 12_000 } },
  { id: 'search', name: 'Search relevance', status: 'in-progress', priority: 'high', progress: 38, category: 'Shop', tags: ['search', 'ml'], budget: 18_000, cost: { total: 19_900 } },
  { id: 'billing', name: 'Billing reconciliation', status: 'in-progress', priority: 'medium', progress: 82, category: 'Finance', tags: ['data'], budget: 15_000, cost: { total: 9_300 }, revenue: { total: 21_000 } },
  { id: 'mobile', name: 'Mobile app 3.0', status: 'in-progress', priority: 'high', progress: 21, category: 'Apps', tags: ['ios', 'android'], budget: 60_000, cost: { total: 11_700 } },
  { id: 'docs', name: 'Docs site rewrite', status: 'planning', priority: 'low', progress: 5, category: 'Docs', tags: ['web'] },
  { id: 'sso', name: 'Single sign-on', status: 'planning', priority: 'high', progress: 0, category: 'Platform', tags: ['security'], budget: 9_000 },
  { id: 'etl', name: 'Nightly ETL hardening', status: 'paused', priority: 'medium', progress: 55, category: 'Platform', tags: ['data', 'batch'], budget: 8_000, cost: { total: 4_100 } },
  { id: 'upgrade', name: 'Postgres 17 upgrade', status: 'completed', priority: 'high', progress: 100, category: 'Platform', tags: ['database'], cost: { total: 2_300 } },
]

const WORK = ['Plan the work', 'Write the failing test', 'Build the payment step', 'Refactor the cart', 'Fix the flaky test', 'Review the pull request', 'Measure and tune', 'Update the documentation', 'Migrate the schema', 'Answer the review']
const AGENTS = ['claude', 'codex', 'opencode']
const MODELS: Record<string, string> = { claude: 'claude-sonnet', codex: 'gpt-codex', opencode: 'qwen-coder' }
const EVENTS = [
  ['milestone', 'info', 'All checks pass'],
  ['note', 'info', 'Read the code around the cart'],
  ['decision', 'info', 'Keep the old endpoint for one more release'],
  ['risk', 'warn', 'The payment provider changes its interface next month'],
  ['error', 'error', 'The sandbox refused the test card'],
  ['result', 'info', '42 of 42 tests pass'],
] as const

/** A team of three agents and eight projects, busy for a month. */
export async function furnish(agent: Agent) {
  const next = numbers(7)
  const pick = <T>(list: readonly T[]) => list[Math.floor(next() * list.length)] as T
  const ago = (ms: number) => new Date(Date.now() - ms).toISOString()
  for (const project of PROJECTS) await agent.project(project.id, { ...project, description: `What ${project.name.toLowerCase()} is about, in one sentence.`, createdAt: ago((20 + next() * 40) * DAY_MS) })
  const active = PROJECTS.filter(({ status }) => status === 'in-progress' || status === 'paused')
  for (let index = 0; index < 60; index += 1) {
    const began = (30 - index / 2) * DAY_MS - next() * 10 * HOUR_MS
    const [who, project] = [index > 55 ? 'claude' : pick(AGENTS), pick(active)]
    const status = next() < 0.82 ? 'success' : next() < 0.6 ? 'failed' : 'cancelled'
    const lasted = (0.3 + next() * 5) * HOUR_MS
    await agent.run(`run-${index}`, project.id, { agentId: who, title: pick(WORK), status, createdAt: ago(began), startedAt: ago(began), finishedAt: ago(Math.max(began - lasted, 0)), summary: status === 'success' ? 'Merged after review.' : 'Stopped; the reason is in the events.' })
    const tokens = Math.round(20_000 + next() * 180_000)
    const output = Math.round(tokens * (0.08 + next() * 0.1))
    await agent.post('/agent/usage', { records: [{ id: `usage-${index}`, projectId: project.id, runId: `run-${index}`, agentId: who, model: MODELS[who], source: 'agent', promptTokens: tokens - output, completionTokens: output, totalTokens: tokens, cacheReadTokens: Math.round(tokens * 0.6), cost: who === 'opencode' ? undefined : tokens * 0.000012, ts: ago(began) }] })
  }
  await agent.run('run-live-1', 'checkout', { agentId: 'claude', title: 'Build the confirmation page' })
  await agent.run('run-live-2', 'search', { agentId: 'codex', title: 'Measure and tune' })
  for (const [index, [type, level, title]] of EVENTS.entries()) {
    await agent.event('checkout', title, { runId: index % 2 ? 'run-live-1' : 'run-59', type, level, agentId: 'claude', data: { attempt: index + 1, files: ['cart.ts', 'pay.ts'] } })
  }
  const act = (projectId: string, actions: object[]) => agent.post('/agent/actions', { projectId, runId: 'run-live-1', agentId: 'claude', actions })
  await act('checkout', [{ type: 'bump_progress', params: { delta: 6 } }, { type: 'add_tag', params: { tag: 'q4' } }])
  await act('billing', [{ type: 'set_progress', params: { progress: 85 } }])
  await agent.patch('/projects/checkout', { notes: '## Goal\n\nA checkout in **three steps** instead of seven.\n\n- Cart\n- Payment\n- Confirmation', priority: 'high' })
  await agent.patch('/projects/checkout', { priority: 'urgent', description: 'Three steps instead of seven, and no account needed.' })
  await agent.post('/agent/actions', { projectId: 'search', runId: 'run-live-2', type: 'set_status', payload: { status: 'paused' }, rationale: 'The budget is used up.', status: 'pending_review', proposedBy: 'codex' })
  await agent.post('/agent/profiles', { id: 'claude', name: 'Claude', role: 'builder', skills: ['typescript', 'rust'], permissions: { shell: 'restricted' } })
}
