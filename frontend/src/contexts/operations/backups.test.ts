import { expect, test } from 'vitest'

import { lookOf, madeAtOf, proofOf, reasonOf, saysSo, shareOf, troublesOf } from './backups'
import type { Backup, Backups } from './operations.api'

const NOW = Date.parse('2026-02-11T15:00:00Z')
const found = (holds: boolean, reason: string | null = null) => ({ at: '2026-02-11T14:00:00.000000Z', holds, reason, tookMs: 420 })
const backup = (fields: Partial<Backup> = {}): Backup => ({
  name: 'pm_backup_20260211T140000Z.db', state: 'proved', bytes: 4096, sha256: 'ab', madeAt: '2026-02-11T14:00:00.000000Z', dueAt: null,
  ledgerSeq: 12, ledgerHash: 'cd', rows: {}, check: found(true), proofs: [found(true)], ...fields,
})
const view = (fields: Partial<Backups> = {}): Backups => ({
  settings: { folder: '/kept', everyHours: 24, keep: 7 }, nextDueAt: '2026-02-12T14:00:00.000000Z', alert: null, underWay: [], backups: [backup()], ...fields,
})

test('what holds is no trouble', () => {
  expect(troublesOf(view(), NOW)).toEqual([])
})

test('a full disk comes first, then each backup that does not hold, with the reason', () => {
  const troubles = troublesOf(
    view({
      alert: { at: '2026-02-11T14:30:00.000000Z', isFull: true, reason: 'no room' },
      backups: [backup({ state: 'rotten', check: found(false, 'other bytes') }), backup(), backup({ state: 'failed', proofs: [found(false, 'a row is missing')] })],
    }),
    NOW,
  )

  expect(troubles.map(({ kind, reason }) => [kind, reason])).toEqual([['full', 'no room'], ['rotten', 'other bytes'], ['failed', 'a row is missing']])
})

test('a backup is overdue a while after its time, unless it is being made or has failed', () => {
  const late = view({ nextDueAt: '2026-02-11T14:00:00.000000Z' })

  expect(troublesOf(late, NOW).map(({ kind }) => kind)).toEqual(['overdue'])
  expect(troublesOf(late, Date.parse('2026-02-11T14:05:00Z'))).toEqual([])
  expect(troublesOf({ ...late, underWay: [{ task: 'backup', name: null, phase: 'copying', done: 0, total: null, beganAt: '' }] }, NOW)).toEqual([])
  expect(troublesOf({ ...late, alert: { at: '', isFull: false, reason: 'no' } }, NOW).map(({ kind }) => kind)).toEqual(['alert'])
})

test('a state that nobody knows is not taken for a proof', () => {
  expect(proofOf({ state: 'blessed' })).toBe('unproved')
  expect(lookOf({ state: 'rotten' }).tone).toBe('error')
  expect(reasonOf(backup())).toBeUndefined()
})

test('how far work is', () => {
  expect(shareOf({ done: 1, total: 3 })).toBe(33)
  expect(shareOf({ done: 9, total: 3 })).toBe(100)
  expect(shareOf({ done: 9, total: null })).toBeNull()
  expect(shareOf({ done: 0, total: 0 })).toBeNull()
})

test('when a file was made, if its name says so', () => {
  expect(madeAtOf('pm_backup_20260211T150000Z (1).db')).toBe('2026-02-11T15:00:00Z')
  expect(madeAtOf('pm_backup_20269911T150000Z.db')).toBeUndefined()
  expect(madeAtOf('pm.db')).toBeUndefined()
})

test('only the word itself will do', () => {
  expect(saysSo(' Restore ', 'restore')).toBe(true)
  expect(saysSo('restor', 'restore')).toBe(false)
  expect(saysSo('restore it', 'restore')).toBe(false)
})
