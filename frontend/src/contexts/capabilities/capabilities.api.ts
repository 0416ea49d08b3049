import { api, unwrap, type Schemas } from '@/api/client'

/** A capability that agents can be given. */
export type Capability = Schemas['CapabilityView']

const at = (id: string) => ({ params: { path: { id } } })

export const listCapabilities = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/agent/capabilities', { signal }))).data

export const createCapability = async (body: Schemas['CreateCapabilityBody']) =>
  (await unwrap(api.POST('/api/agent/capabilities', { body }))).data

export const changeCapability = async (id: string, body: Schemas['ChangeCapabilityBody']) =>
  (await unwrap(api.PATCH('/api/agent/capabilities/{id}', { ...at(id), body }))).data

export const deleteCapability = (id: string) => unwrap(api.DELETE('/api/agent/capabilities/{id}', at(id)))
