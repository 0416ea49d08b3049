import type { Member } from './members.api'

/** Owners first, then by name. */
export function ranked(members: Member[]): Member[] {
  const rank = { owner: 0, editor: 1, viewer: 2 }
  return members.toSorted((one, other) => rank[one.role] - rank[other.role] || one.username.localeCompare(other.username))
}
