import { ref } from 'vue'

import { failureText } from '@/app/failures'

/** A form that is sent: once at a time, and what went wrong is said beside it. */
export function useAttempt() {
  const isBusy = ref(false)
  const problem = ref('')

  /** Whether `work` succeeded; while another attempt is under way there is none. */
  async function attempt(work: () => Promise<unknown>): Promise<boolean> {
    if (isBusy.value) return false
    isBusy.value = true
    problem.value = ''
    try {
      await work()
      return true
    } catch (error) {
      problem.value = failureText(error)
      return false
    } finally {
      isBusy.value = false
    }
  }

  return { isBusy, problem, attempt }
}
