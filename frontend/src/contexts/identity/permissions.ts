import type { ProjectRole } from './members.api'
import type { Role } from './people.api'

/** From the least on; each may what the ones before it may. */
export const ROLES = ['viewer', 'member', 'admin'] as const satisfies readonly Role[]

/** From the least on; each may what the ones before it may. */
export const PROJECT_ROLES = ['viewer', 'editor', 'owner'] as const satisfies readonly ProjectRole[]

interface Need {
  role: Role
  /** The least role in the project that it is about; none: it is about no project. */
  inProject?: ProjectRole
}

/**
 * What an act takes, as the server decides it (the names are the `x-permission` of the API). This table only keeps
 * the console from offering what would be refused.
 */
const NEEDS = {
  'projects.create': { role: 'member' },
  'projects.write': { role: 'member', inProject: 'editor' },
  'projects.delete': { role: 'member', inProject: 'owner' },
  'members.write': { role: 'member', inProject: 'owner' },
  'agents.write': { role: 'member', inProject: 'editor' },
  'proposals.decide': { role: 'member', inProject: 'editor' },
  'catalog.write': { role: 'admin' },
  'ledger.prove': { role: 'admin' },
  administer: { role: 'admin' },
} satisfies Record<string, Need>

/** Something that not everybody may. */
export type Permission = keyof typeof NEEDS

const least = <T>(ranks: readonly T[], is: T, needed: T) => ranks.indexOf(is) >= ranks.indexOf(needed)

/** Whether somebody of this role may do it, in some project at least. */
export function isFor(permission: Permission, role: Role | undefined): boolean {
  return role !== undefined && least<Role>(ROLES, role, NEEDS[permission].role)
}

/**
 * Whether somebody of this role may do it in a project where they are `member` of: `undefined` as long as that is not known,
 * `null` if they are none there.
 */
export function isForMember(permission: Permission, role: Role | undefined, member: ProjectRole | null | undefined): boolean {
  if (!isFor(permission, role)) return false
  const need: Need = NEEDS[permission]
  if (role === 'admin' || need.inProject === undefined) return true
  return member !== null && member !== undefined && least<ProjectRole>(PROJECT_ROLES, member, need.inProject)
}

/** The scopes that a person of this role can give a key. */
export function scopesFor(role: Role | undefined) {
  if (role === 'admin') return ['read', 'write', 'ingest', 'worker', 'admin'] as const
  if (role === 'member') return ['read', 'write', 'ingest', 'worker'] as const
  return ['read'] as const
}
