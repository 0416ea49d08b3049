import { describe, expect, test } from 'vitest'

import { i18n } from '@/app/i18n'
import zh from '@/app/messages.zh'

import type { Line } from './ledger.api'
import { sentence, type Names } from './sentences'

const NAMES: Names = {
  project: (id) => (id === 'p1' ? 'Atlas' : undefined),
  user: (id) => (id === 'u1' ? 'admin' : undefined),
  run: (id) => (id === 'r1' ? { title: 'Parser', agentId: 'claude' } : undefined),
  entry: (id) => (id === 'agent-1' ? 'Planner' : undefined),
  event: (id) => (id === 'e1' ? { title: 'Tests pass', agentId: 'codex' } : undefined),
}

const line = (operation: string, fields: Partial<Line>): Line => ({
  seq: 1,
  ts: '2026-02-11T15:00:00.000000Z',
  actorKind: 'person',
  actorId: 'u1',
  operation,
  subjectKind: operation.split('.')[0] ?? '',
  subjectId: null,
  projectId: null,
  runId: null,
  requestId: null,
  change: {},
  prevHash: '',
  hash: '',
  ...fields,
})

const changed = (before: object, after: object) => line('project.updated', { subjectId: 'p1', projectId: 'p1', change: { before, after } })

describe('a line says', () => {
  test('which field changed from what to what', () => {
    expect(sentence(changed({ status: 'planning', updatedAt: '1' }, { status: 'in-progress', updatedAt: '2' }), NAMES)).toBe(
      'admin changed Status of Atlas: Planning → In progress',
    )
  })

  test('the names of several fields', () => {
    expect(sentence(changed({ status: 'planning', progress: 1 }, { status: 'paused', progress: 2 }), NAMES)).toBe('admin changed Status, Progress of Atlas')
  })

  test('no long text', () => {
    expect(sentence(changed({ notes: '' }, { notes: 'n'.repeat(500) }), NAMES)).toBe('admin changed Notes of Atlas')
  })

  test('which agent began a run, and where', () => {
    const began = line('run.created', { actorKind: 'anybody', actorId: null, subjectId: 'r9', runId: 'r9', projectId: 'p1', change: { after: { title: 'Write docs', agentId: 'claude' } } })

    expect(sentence(began, NAMES)).toBe('claude started “Write docs” in Atlas')
  })

  test('what an agent reported', () => {
    const event = line('event.appended', { actorKind: 'agent', actorId: null, subjectId: 'e1', projectId: 'p1' })

    expect(sentence(event, NAMES)).toBe('codex reported “Tests pass” in Atlas')
    expect(sentence({ ...event, subjectId: 'e2' }, NAMES)).toBe('An agent reported an event in Atlas')
  })

  test('that a profile was switched off', () => {
    expect(sentence(line('profile.updated', { subjectId: 'agent-1', change: { before: { enabled: true }, after: { enabled: false } } }), NAMES)).toBe(
      'admin took the profile Planner out of use',
    )
  })

  test('from where somebody signed in, or why not', () => {
    expect(sentence(line('user.signed_in', { subjectId: 'u1', change: { address: '127.0.0.1' } }), NAMES)).toBe('admin signed in from 127.0.0.1')
    expect(sentence(line('user.sign_in_refused', { actorKind: 'anybody', actorId: null, change: { address: '::1', reason: 'wrong password' } }), NAMES)).toBe(
      'A sign-in from ::1 was refused: wrong password',
    )
  })

  test('the words of an operation that is not known yet', () => {
    expect(sentence(line('task.lease_expired', { actorKind: 'system', actorId: null, subjectId: 't1' }), NAMES)).toBe('PilotDeck: task lease expired t1')
  })

  test('the same in Chinese', () => {
    i18n.global.setLocaleMessage('zh', zh as never)
    i18n.global.locale.value = 'zh'

    expect(sentence(changed({ status: 'planning' }, { status: 'in-progress' }), NAMES)).toBe('admin 将 Atlas 的状态从“规划中”改为“进行中”')

    i18n.global.locale.value = 'en'
  })
})
