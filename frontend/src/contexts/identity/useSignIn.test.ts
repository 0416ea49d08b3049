import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'

import { ApiFailure } from '@/api/client'

import { useIdentity } from './identity.store'
import { useSignIn } from './useSignIn'

const refusal = (code: 'second_factor_required' | 'wrong_code' | 'wrong_credentials') => new ApiFailure(401, code, code)

beforeEach(() => setActivePinia(createPinia()))

test('an account with a second factor is asked for its code, which goes with the password', async () => {
  const signIn = vi.spyOn(useIdentity(), 'signIn').mockRejectedValueOnce(refusal('second_factor_required')).mockResolvedValueOnce()
  const form = useSignIn('ada')
  form.password.value = 'secret words'

  expect(await form.signIn()).toBe(false)
  expect(form.needsCode.value).toBe(true)
  expect(form.problem.value).toBe('')
  form.code.value = ' 123456 '

  expect(await form.signIn()).toBe(true)
  expect(signIn).toHaveBeenLastCalledWith('ada', 'secret words', '123456')
})

test('a wrong code empties the code and keeps the password', async () => {
  vi.spyOn(useIdentity(), 'signIn').mockRejectedValue(refusal('wrong_code'))
  const form = useSignIn('ada')
  form.password.value = 'secret words'
  form.needsCode.value = true
  form.code.value = '000000'
  await form.signIn()

  expect([form.code.value, form.password.value, form.needsCode.value]).toEqual(['', 'secret words', true])
  expect(form.problem.value).not.toBe('')
})

test('wrong credentials begin anew', async () => {
  vi.spyOn(useIdentity(), 'signIn').mockRejectedValue(refusal('wrong_credentials'))
  const form = useSignIn('ada')
  form.password.value = 'secret words'
  form.needsCode.value = true
  await form.signIn()

  expect([form.password.value, form.needsCode.value]).toEqual(['', false])
})
