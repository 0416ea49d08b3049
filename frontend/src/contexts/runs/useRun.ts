import { computed } from 'vue'

import { useLive } from '@/app/live'
import { useTicking } from '@/design/format'

import { readRun } from './runs.api'
import { isFinal, isStalled, lastSign as lastSignOf, stalledMinutes } from './stalled'

/** A run as it is now, how long it has been going on, and whether it still gives signs of life. */
export function useRun(runId: () => string) {
  const live = useLive({
    load: (signal) => readRun(runId(), signal),
    affects: (line) => line.runId === runId() || line.subjectId === runId(),
    watch: runId,
  })
  const second = useTicking('second')
  const run = computed(() => live.data.value?.data)
  const isRunning = computed(() => run.value !== undefined && !isFinal(run.value))
  const lastSign = computed(() => (run.value ? lastSignOf(run.value, live.data.value?.lastSignAt) : null))

  return {
    ...live,
    run,
    isRunning,
    lastSign,
    isStalled: computed(() => run.value !== undefined && isStalled(run.value, lastSign.value, second.value, stalledMinutes.value)),
    /** From its start to its end, or until now; unknown where it is over and nobody said when. */
    elapsed: computed(() => {
      const { startedAt, finishedAt } = run.value ?? {}
      if (!startedAt || (!finishedAt && !isRunning.value)) return undefined
      return Math.max(0, (finishedAt ? Date.parse(finishedAt) : second.value) - Date.parse(startedAt))
    }),
  }
}
