import { api, unwrap, type Schemas } from '@/api/client'

/** The person who is signed in. */
export type Account = Schemas['AccountView']

export const getAccount = async () => (await unwrap(api.GET('/api/auth/me'))).data.user

/** Signs in; where `code` is asked for and not given, this fails with `second_factor_required`. */
export const signIn = async (username: string, password: string, code?: string) =>
  (await unwrap(api.POST('/api/auth/login', { body: { username, password, ...(code && { code }) } }))).data.user

/** Accepts an invitation, and signs in. */
export const join = async (body: Schemas['JoinBody']) => (await unwrap(api.POST('/api/auth/join', { body }))).data.user

export const signOut = () => unwrap(api.POST('/api/auth/logout'))

export const changePassword = (currentPassword: string, newPassword: string) =>
  unwrap(api.POST('/api/auth/change-password', { body: { currentPassword, newPassword } }))
