import { computed, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import type { RouteLocationRaw } from 'vue-router'

import { ago, bytes, duration, number, percent, useTicking } from '@/design/format'

import { proofOf } from './backups'
import { isTight } from './health'
import type { Health } from './useHealth'

interface Card {
  label: string
  value: string
  origin: string
  icon: string
  note?: string
  tone?: 'default' | 'success' | 'warning' | 'error'
  to?: RouteLocationRaw
}

/** The figures of a health, as cards; one that nobody measured is a dash. */
export function useHealthCards(health: ShallowRef<Health | undefined>) {
  const { t } = useI18n()
  const now = useTicking()
  const cards = computed<Card[]>(() => {
    const { figures, version, backups, verification } = health.value ?? {}
    const figure = (name: string) => figures?.get(name)
    const shown = (name: string, form: (value: number) => string) => (figure(name) === undefined ? '–' : form(figure(name) ?? 0))
    const from = (name: string) => t('operations.cards.from', { name })
    const [free, database] = [figure('pilotdeck_disk_free_bytes'), figure('pilotdeck_database_file_bytes')]
    const [started, requests] = [figure('process_start_time_seconds'), figure('pilotdeck_http_requests_total')]
    const failed = figure('pilotdeck_http_requests_total:5xx') ?? 0
    return [
      {
        label: t('operations.cards.database'),
        icon: 'i-lucide-database',
        value: shown('pilotdeck_database_file_bytes', bytes),
        note: figure('pilotdeck_database_wal_bytes') === undefined ? undefined : t('operations.cards.log', { size: shown('pilotdeck_database_wal_bytes', bytes) }),
        origin: from('pilotdeck_database_file_bytes'),
      },
      {
        label: t('operations.cards.free'),
        icon: 'i-lucide-hard-drive',
        value: shown('pilotdeck_disk_free_bytes', bytes),
        note: isTight(free, database) ? t('operations.cards.tight') : free === undefined ? undefined : t('operations.cards.roomy'),
        tone: isTight(free, database) ? 'error' : 'default',
        origin: from('pilotdeck_disk_free_bytes'),
      },
      {
        label: t('operations.cards.ledger'),
        icon: 'i-lucide-scroll-text',
        value: shown('pilotdeck_ledger_seq', number),
        ...verified(verification),
        origin: from('pilotdeck_ledger_seq'),
        to: { name: 'activity' },
      },
      { label: t('operations.cards.backups'), icon: 'i-lucide-database-backup', ...kept(backups), origin: t('operations.cards.backupsFrom'), to: { name: 'operations-backups' } },
      {
        label: t('operations.cards.streams'),
        icon: 'i-lucide-radio',
        value: shown('pilotdeck_streams_open', number),
        note: figure('pilotdeck_intake_waiting_bytes') === undefined ? undefined : t('operations.cards.waiting', { size: shown('pilotdeck_intake_waiting_bytes', bytes) }),
        origin: from('pilotdeck_streams_open'),
      },
      {
        label: t('operations.cards.requests'),
        icon: 'i-lucide-activity',
        value: shown('pilotdeck_http_requests_total', number),
        note: requests ? t('operations.cards.failed', { n: number(failed), share: percent(failed / requests, 1) }, failed) : undefined,
        tone: failed > 0 ? 'warning' : 'default',
        origin: from('pilotdeck_http_requests_total'),
      },
      {
        label: t('operations.cards.memory'),
        icon: 'i-lucide-memory-stick',
        value: shown('process_resident_memory_bytes', bytes),
        note: figure('process_open_fds') === undefined ? undefined : t('operations.cards.files', { n: shown('process_open_fds', number) }),
        origin: from('process_resident_memory_bytes'),
      },
      {
        label: t('operations.cards.version'),
        icon: 'i-lucide-tag',
        value: version ?? '–',
        note: started === undefined ? undefined : t('operations.cards.up', { duration: duration(Math.max(0, now.value - started * 1000)) }),
        origin: t('operations.cards.versionFrom'),
      },
    ]
  })

  function verified(verification: Health['verification']): Pick<Card, 'note' | 'tone'> {
    if (!verification) return {}
    const { last } = verification
    if (!last) return { note: t('operations.cards.unverified') }
    if (last.state !== 'intact') return { note: t('operations.cards.broken'), tone: 'error' }
    return { note: t('operations.cards.intact', { time: ago(last.verifiedAt, now.value) }), tone: 'success' }
  }

  function kept(found: Health['backups']): Pick<Card, 'value' | 'note' | 'tone'> {
    if (!found) return { value: '–' }
    if (!found.settings) return { value: t('operations.cards.off'), note: t('operations.cards.offNote'), tone: 'warning' }
    const bad = found.backups.filter((backup) => ['failed', 'rotten'].includes(proofOf(backup))).length
    const value = number(found.backups.length)
    if (bad > 0) return { value, note: t('operations.cards.bad', { n: bad }, bad), tone: 'error' }
    const newest = found.backups.find((backup) => proofOf(backup) === 'proved')
    return newest ? { value, note: t('operations.cards.proven', { time: ago(newest.madeAt, now.value) }), tone: 'success' } : { value, note: t('operations.cards.unproven'), tone: 'warning' }
  }
  return { cards }
}
