import { defineStore } from 'pinia'
import { ref } from 'vue'

import { ApiFailure } from '@/api/client'
import { connect, disconnect } from '@/app/connection'

import * as identity from './identity.api'

/** Who is signed in. */
export const useIdentity = defineStore('identity', () => {
  const account = ref<identity.Account>()

  /** Whether somebody is signed in; the server is asked once. */
  async function isSignedIn() {
    if (account.value) return true
    try {
      become(await identity.getAccount())
      return true
    } catch (error) {
      if (error instanceof ApiFailure && error.code === 'unauthenticated') return false
      throw error
    }
  }

  function become(user: identity.Account) {
    account.value = user
    connect()
  }

  /** Nobody is signed in any more. */
  function forget() {
    account.value = undefined
    disconnect()
  }

  return {
    account,
    isSignedIn,
    forget,
    signIn: async (username: string, password: string) => become(await identity.signIn(username, password)),
    signOut: async () => {
      await identity.signOut()
      forget()
    },
    changePassword: async (current: string, wanted: string) => {
      await identity.changePassword(current, wanted)
      if (account.value) account.value = { ...account.value, passwordIsDefault: false }
    },
  }
})
