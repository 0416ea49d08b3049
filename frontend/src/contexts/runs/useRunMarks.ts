import { useI18n } from 'vue-i18n'

import { useNotices } from '@/app/notices'
import { spoken } from '@/design/words'

import { changeRun, type Run } from './runs.api'

/** Ends runs by hand, with a way back. */
export function useRunMarks() {
  const { t } = useI18n()
  const notices = useNotices()

  /** Says how a run ended that cannot say so itself any more. */
  async function mark(run: Run, status: 'cancelled' | 'failed') {
    try {
      await changeRun(run.id, { status, finishedAt: run.finishedAt ?? new Date().toISOString() })
      notices.done(t('runs.marked', { title: run.title || run.id, status: spoken('run', status) }), () =>
        changeRun(run.id, { status: run.status, finishedAt: run.finishedAt }),
      )
    } catch (error) {
      notices.failed(error)
    }
  }
  return { mark }
}
