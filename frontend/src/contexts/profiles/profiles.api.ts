import { api, unwrap, type Schemas } from '@/api/client'

/** A profile of an agent. */
export type Profile = Schemas['ProfileView']

/** What agents used: tokens and what they cost. */
export type AgentSum = Schemas['AgentSumView']

const at = (id: string) => ({ params: { path: { id } } })

export const listProfiles = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/agent/profiles', { signal }))).data

export const createProfile = async (body: Schemas['CreateProfileBody']) => (await unwrap(api.POST('/api/agent/profiles', { body }))).data

export const changeProfile = async (id: string, body: Schemas['ChangeProfileBody']) =>
  (await unwrap(api.PATCH('/api/agent/profiles/{id}', { ...at(id), body }))).data

export const deleteProfile = (id: string) => unwrap(api.DELETE('/api/agent/profiles/{id}', at(id)))

/** What every agent used, since a time or ever. */
export const agentSums = async (since?: string, signal?: AbortSignal) =>
  (await unwrap(api.GET('/api/stats/tokens', { params: { query: { since } }, signal }))).data.byAgent

/** What one agent used, by project. */
export const projectSums = async (agentId: string, signal?: AbortSignal) =>
  (await unwrap(api.GET('/api/stats/tokens', { params: { query: { agentId } }, signal }))).data.byProject
