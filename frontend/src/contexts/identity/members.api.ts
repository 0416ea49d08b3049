import { api, unwrap, type Schemas } from '@/api/client'

/** Somebody who is a member of a project. */
export type Member = Schemas['MemberView']

/** What somebody is in a project. */
export type ProjectRole = Member['role']

const at = (id: string, userId: string) => ({ params: { path: { id, userId } } })

export const listMembers = async (id: string, signal?: AbortSignal) => (await unwrap(api.GET('/api/projects/{id}/members', { params: { path: { id } }, signal }))).data

/** Everybody who could be made a member. */
export const listPeople = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/people', { signal }))).data

export const addMember = async (id: string, userId: string, role: ProjectRole) =>
  (await unwrap(api.POST('/api/projects/{id}/members', { params: { path: { id } }, body: { userId, role } }))).data

export const changeMember = async (id: string, userId: string, role: ProjectRole) => (await unwrap(api.PATCH('/api/projects/{id}/members/{userId}', { ...at(id, userId), body: { role } }))).data

export const removeMember = (id: string, userId: string) => unwrap(api.DELETE('/api/projects/{id}/members/{userId}', at(id, userId)))
