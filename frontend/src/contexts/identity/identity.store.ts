import { defineStore } from 'pinia'
import { ref } from 'vue'

import { ApiFailure } from '@/api/client'
import { connect, disconnect, fetchAnew } from '@/app/connection'

import * as identity from './identity.api'

/** Tabs of one browser share the session: they tell each other of its beginning and its end. */
const CHANNEL = 'pilotdeck.session'

/** Who is signed in. */
export const useIdentity = defineStore('identity', () => {
  const account = ref<identity.Account>()
  /** Whether the session ended by itself: the page stays with all that was typed, until its person is back. */
  const isExpired = ref(false)
  const outListeners = new Set<() => void>()
  const tabs = new BroadcastChannel(CHANNEL)
  tabs.onmessage = ({ data }: MessageEvent<'in' | 'out'>) => {
    if (data === 'out' && account.value) leave()
    if (data === 'in' && account.value) void resume()
  }

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
    const isBack = isExpired.value
    // What is on the screen, and half written, was another one's.
    if (account.value && account.value.id !== user.id) return location.reload()
    account.value = user
    isExpired.value = false
    connect()
    if (isBack) fetchAnew()
  }

  /** Another tab has signed in: with the same person this one goes on. */
  async function resume() {
    const user = await identity.getAccount().catch(() => undefined)
    if (user && (isExpired.value || user.id !== account.value?.id)) become(user)
  }

  /** Nobody is signed in any more. */
  function forget() {
    account.value = undefined
    isExpired.value = false
    disconnect()
  }

  function leave() {
    forget()
    outListeners.forEach((listener) => listener())
  }

  return {
    account,
    isExpired,
    isSignedIn,
    /** The server does not know the session any more. */
    expire() {
      isExpired.value = true
      disconnect()
    },
    /** Calls `listener` when the person signs out, here or in another tab. */
    onOut: (listener: () => void) => void outListeners.add(listener),
    signIn: async (username: string, password: string, code?: string) => {
      become(await identity.signIn(username, password, code))
      tabs.postMessage('in')
    },
    /** Accepts an invitation. Whoever was signed in here before is so no more, and what they see goes with them. */
    join: async (token: string, username: string, password: string) => {
      const user = await identity.join({ token, username, password })
      const wasAnother = account.value !== undefined
      tabs.postMessage('in')
      if (wasAnother) location.assign('/')
      else become(user)
    },
    signOut: async () => {
      // A session that is over cannot be ended once more.
      if (!isExpired.value) await identity.signOut()
      tabs.postMessage('out')
      leave()
    },
    changePassword: async (current: string, wanted: string) => {
      await identity.changePassword(current, wanted)
      if (account.value) account.value = { ...account.value, passwordIsDefault: false }
    },
  }
})
