import { ref } from 'vue'

import { ApiFailure } from '@/api/client'
import { failureText } from '@/app/failures'

import { useIdentity } from './identity.store'

/** Signing in: name and password, and then the code, where the account asks for one. */
export function useSignIn(name = '') {
  const identity = useIdentity()
  const username = ref(name)
  const password = ref('')
  const code = ref('')
  const needsCode = ref(false)
  const problem = ref('')
  const isBusy = ref(false)

  /** Whether the person is in. */
  async function signIn(): Promise<boolean> {
    if (isBusy.value) return false
    isBusy.value = true
    problem.value = ''
    try {
      await identity.signIn(username.value, password.value, code.value.trim() || undefined)
      return true
    } catch (error) {
      const why = error instanceof ApiFailure ? error.code : undefined
      if (why === 'second_factor_required') needsCode.value = true
      else problem.value = failureText(error)
      code.value = ''
      // A password that was right is not asked for again because of a code.
      if (why === 'wrong_credentials') startOver()
      return false
    } finally {
      isBusy.value = false
    }
  }

  function startOver() {
    needsCode.value = false
    password.value = ''
    code.value = ''
  }

  return { username, password, code, needsCode, problem, isBusy, signIn, startOver }
}
