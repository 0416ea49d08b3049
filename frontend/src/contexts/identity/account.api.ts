import { api, unwrap, type Schemas } from '@/api/client'

/** A key of a person, for their programs. */
export type Key = Schemas['KeyView']

/** What a key can be for. */
export type Scope = Key['scopes'][number]

export const listOwnSessions = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/auth/sessions', { signal }))).data

export const endOwnSession = (id: string) => unwrap(api.DELETE('/api/auth/sessions/{id}', { params: { path: { id } } }))

export const endOtherSessions = () => unwrap(api.DELETE('/api/auth/sessions'))

export const listKeys = async (userId: string, signal?: AbortSignal) => (await unwrap(api.GET('/api/keys', { params: { query: { userId } }, signal }))).data

/** Makes a key; the answer has its text, this once. */
export const createKey = async (body: Schemas['CreateKeyBody']) => (await unwrap(api.POST('/api/keys', { body }))).data

export const revokeKey = (id: string) => unwrap(api.DELETE('/api/keys/{id}', { params: { path: { id } } }))

export const getSecondFactor = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/auth/second-factor', { signal }))).data

/** Makes a secret for an app; signing in asks for it once it is confirmed. */
export const beginSecondFactor = async (password: string) => (await unwrap(api.POST('/api/auth/second-factor', { body: { password } }))).data

/** Asks for codes from now on; the answer has the recovery codes, this once. */
export const confirmSecondFactor = async (code: string) => (await unwrap(api.POST('/api/auth/second-factor/confirm', { body: { code } }))).data.recoveryCodes

export const disableSecondFactor = (password: string) => unwrap(api.POST('/api/auth/second-factor/disable', { body: { password } }))

export const replaceRecoveryCodes = async (password: string) => (await unwrap(api.POST('/api/auth/second-factor/recovery-codes', { body: { password } }))).data.recoveryCodes
