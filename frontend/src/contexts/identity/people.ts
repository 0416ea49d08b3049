import type { User } from './people.api'

/** What somebody is called: their name, or the one that they sign in with. */
export const calledOf = ({ fullName, username }: Pick<User, 'fullName' | 'username'>) => fullName || username

/** Those in whose names or address all the words stand. */
export function matching(users: User[], sought: string): User[] {
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean)
  return users.filter(({ username, fullName, email }) => {
    const text = `${username} ${fullName ?? ''} ${email ?? ''}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

/** What is different in a form; a text that was emptied is null, as the API wants it. */
export function changesOf(user: User, form: { username: string; fullName: string; email: string; role: User['role'] }) {
  const fullName = form.fullName.trim() || null
  const email = form.email.trim() || null
  return {
    ...(form.username.trim() !== user.username && { username: form.username.trim() }),
    ...(fullName !== (user.fullName ?? null) && { fullName }),
    ...(email !== (user.email ?? null) && { email }),
    ...(form.role !== user.role && { role: form.role }),
  }
}
