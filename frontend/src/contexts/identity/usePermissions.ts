import { defineStore } from 'pinia'
import { shallowRef, triggerRef } from 'vue'

import { useLines } from '@/app/connection'

import { useIdentity } from './identity.store'
import { listMembers, type ProjectRole } from './members.api'
import { isFor, isForMember, type Permission } from './permissions'

/** So many projects are asked for at a time. */
const AT_ONCE = 4

/** What the person who is signed in is in projects; asked for where it decides what they are offered. */
const useMemberships = defineStore('memberships', () => {
  const roles = shallowRef(new Map<string, ProjectRole | null>())
  const identity = useIdentity()
  const waiting = new Set<string>()
  const asked = new Set<string>()
  let busy = 0

  async function next() {
    const [id] = waiting
    if (id === undefined || busy >= AT_ONCE) return
    waiting.delete(id)
    busy += 1
    try {
      const own = (await listMembers(id)).find(({ userId }) => userId === identity.account?.id)
      roles.value.set(id, own?.role ?? null)
    } catch {
      roles.value.set(id, null)
    }
    triggerRef(roles)
    busy -= 1
    void next()
  }

  function roleIn(id: string): ProjectRole | null | undefined {
    if (!asked.has(id)) {
      asked.add(id)
      waiting.add(id)
      void next()
    }
    return roles.value.get(id)
  }

  /** What was known stays until the new answer is there: nothing blinks. */
  function askAgain(id?: string | null) {
    if (id) asked.delete(id)
    else asked.clear()
    triggerRef(roles)
  }

  useLines(
    ({ operation, projectId }) => {
      if (operation.startsWith('member.') || operation === 'project.created') askAgain(projectId)
    },
    () => askAgain(),
  )
  identity.onOut(() => {
    roles.value.clear()
    askAgain()
  })
  return { roleIn }
})

/** What the person who is signed in may do: the one place that decides what is offered. */
export function usePermissions() {
  const identity = useIdentity()
  const memberships = useMemberships()
  return {
    /** Whether they may do it, in some project at least. */
    may: (permission: Permission) => isFor(permission, identity.account?.role),
    /** Whether they may do it in this project. */
    mayIn: (permission: Permission, projectId: string | null | undefined) => {
      const role = identity.account?.role
      // Only who is neither of both needs to be asked for.
      if (role === 'admin' || !isFor(permission, role) || !projectId) return isForMember(permission, role, null)
      return isForMember(permission, role, memberships.roleIn(projectId))
    },
  }
}
