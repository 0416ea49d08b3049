import { api, unwrap, type Schemas } from '@/api/client'

/** Somebody who can sign in, or could. */
export type User = Schemas['UserView']

/** What somebody is on this server. */
export type Role = User['role']

/** An invitation that waits. */
export type Invitation = Schemas['InvitationView']

/** A place where somebody is signed in. */
export type Session = Schemas['SessionView']

const at = (id: string) => ({ params: { path: { id } } })

export const listUsers = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/users', { signal }))).data

export const createUser = async (body: Schemas['CreateUserBody']) => (await unwrap(api.POST('/api/users', { body }))).data

export const changeUser = async (id: string, body: Schemas['ChangeUserBody']) => (await unwrap(api.PATCH('/api/users/{id}', { ...at(id), body }))).data

export const resetSecondFactor = (id: string) => unwrap(api.DELETE('/api/users/{id}/second-factor', at(id)))

export const listSessionsOf = async (id: string, signal?: AbortSignal) => (await unwrap(api.GET('/api/users/{id}/sessions', { ...at(id), signal }))).data

export const endSessionOf = (id: string, session: string) => unwrap(api.DELETE('/api/users/{id}/sessions/{session}', { params: { path: { id, session } } }))

export const endSessionsOf = (id: string) => unwrap(api.DELETE('/api/users/{id}/sessions', at(id)))

export const listInvitations = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/invitations', { signal }))).data

/** Invites somebody; the answer has the link, this once. */
export const invite = async (body: Schemas['InviteBody']) => (await unwrap(api.POST('/api/invitations', { body }))).data

export const revokeInvitation = (id: string) => unwrap(api.DELETE('/api/invitations/{id}', at(id)))
