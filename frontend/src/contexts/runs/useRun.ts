import { computed, type Ref } from 'vue'

import { useLive } from '@/app/live'
import { remembered } from '@/app/remembered'
import { listEvents } from '@/contexts/events/events.api'
import { useTicking } from '@/design/format'

import { readRun } from './run.api'
import { isOver, isStalled } from './stalled'

const MINUTES = 15

/** After how many minutes without a sign of life a run counts as stalled. */
export const stalledMinutes: Ref<number> = remembered('stalledMinutes', MINUTES)

/** A run as it is now, how long it has been going on, and whether it still gives signs of life. */
export function useRun(runId: () => string) {
  const live = useLive({
    load: async (signal) => {
      const answer = await readRun(runId(), signal)
      const said = (answer as { lastSignAt?: string | null }).lastSignAt
      if (said !== undefined || isOver(answer.data)) return { run: answer.data, sign: said ?? null }
      const { data } = await listEvents({ runId: answer.data.id }, 1, undefined, signal)
      const newest = data[data.length - 1]?.ts ?? ''
      return { run: answer.data, sign: newest > (answer.data.updatedAt ?? '') ? newest : null }
    },
    affects: (line) => line.runId === runId() || line.subjectId === runId(),
    watch: runId,
  })
  const second = useTicking('second')
  const run = computed(() => live.data.value?.run)
  const isRunning = computed(() => run.value !== undefined && !isOver(run.value))
  const lastSign = computed(() => live.data.value?.sign ?? run.value?.updatedAt ?? null)

  return {
    ...live,
    run,
    isRunning,
    lastSign,
    isStalled: computed(() => run.value !== undefined && isStalled(run.value, live.data.value?.sign, second.value, stalledMinutes.value)),
    /** From its start to its end, or until now; unknown where it is over and nobody said when. */
    elapsed: computed(() => {
      const { startedAt, finishedAt } = run.value ?? {}
      if (!startedAt || (!finishedAt && !isRunning.value)) return undefined
      return Math.max(0, (finishedAt ? Date.parse(finishedAt) : second.value) - Date.parse(startedAt))
    }),
  }
}
