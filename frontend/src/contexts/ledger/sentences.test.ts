import { describe, expect, test } from 'vitest'

import { canSay, i18n } from '@/app/i18n'
import en from '@/app/messages.en'
import zh from '@/app/messages.zh'

import type { Line } from './ledger.api'
import { GROUPS } from './operations'
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

const messageAt = (path: string) => path.split('.').reduce<unknown>((tree, key) => (tree as Record<string, unknown> | undefined)?.[key], (en as Record<string, Record<string, unknown>>).ledger?.sentences)

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

  test('what became of backups and deploy jobs', () => {
    const system = { actorKind: 'system', actorId: null } as const
    expect(sentence(line('backup.made', { subjectId: 'pm_backup_1.db', change: { bytes: 2 ** 20 } }), NAMES)).toBe('admin made the backup pm_backup_1.db (1 MiB)')
    expect(sentence(line('backup.failed', { ...system, change: { reason: 'disk gone' } }), NAMES)).toBe('A backup could not be made: disk gone')
    expect(sentence(line('backup.failed', { ...system, subjectId: 'a.db', change: { reason: 'a row is missing' } }), NAMES)).toBe(
      'The backup a.db did not hold when it was proven: a row is missing',
    )
    expect(sentence(line('deploy.finished', { ...system, subjectId: 'job-1', change: { state: 'failed', exitCode: 3 } }), NAMES)).toBe('The deploy job job-1 failed (exit code 3)')
  })

  test('who may do what from now on', () => {
    const member = { subjectKind: 'member', subjectId: 'u2', projectId: 'p1' }
    expect(sentence(line('member.added', { ...member, change: { after: { userId: 'u2', username: 'ada', role: 'editor' } } }), NAMES)).toBe('admin added ada as editor in Atlas')
    expect(sentence(line('member.changed', { ...member, change: { before: { role: 'editor' }, after: { role: 'owner' }, username: 'ada' } }), NAMES)).toBe('admin made ada owner in Atlas')
    expect(sentence(line('key.created', { subjectId: 'k1', change: { after: { name: 'Nightly' } } }), NAMES)).toBe('admin created the API key Nightly')
    expect(sentence(line('user.updated', { subjectId: 'u1', change: { before: { role: 'member' }, after: { role: 'admin' } } }), NAMES)).toBe(
      'admin changed Role of the user admin: member → administrator',
    )
    expect(sentence(line('session.ended', { change: { userId: 'u1' } }), NAMES)).toBe('admin ended a session')
  })

  test('every operation that is filtered by has a sentence', () => {
    const unknown = Object.values(GROUPS)
      .flatMap(({ operations }) => operations)
      .filter((operation) => !canSay(`ledger.sentences.${operation}`) && typeof messageAt(operation) !== 'object')

    expect(unknown).toEqual([])
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
