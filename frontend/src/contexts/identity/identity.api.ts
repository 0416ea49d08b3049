import { api, unwrap, type Schemas } from '@/api/client'

/** The person who is signed in. */
export type Account = Schemas['AccountView']

export const getAccount = async () => (await unwrap(api.GET('/api/auth/me'))).data.user

export const signIn = async (username: string, password: string) =>
  (await unwrap(api.POST('/api/auth/login', { body: { username, password } }))).data.user

export const signOut = () => unwrap(api.POST('/api/auth/logout'))

export const changePassword = (currentPassword: string, newPassword: string) =>
  unwrap(api.POST('/api/auth/change-password', { body: { currentPassword, newPassword } }))
