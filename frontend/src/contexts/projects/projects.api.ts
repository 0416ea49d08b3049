import { api, unwrap, type Schemas } from '@/api/client'

/** A project as the server serves it, with whatever further fields it was given. */
export type Project = Schemas['ProjectView']

/** What may be changed of a project. */
export type ProjectChange = Omit<Schemas['ChangeProjectBody'], 'ifUpdatedAt'>

/** What a new project may have. */
export type NewProject = Schemas['CreateProjectBody']

const at = (id: string) => ({ params: { path: { id } } })

export const listProjects = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/projects', { signal }))).data

export const getProject = async (id: string, signal?: AbortSignal) =>
  (await unwrap(api.GET('/api/projects/{id}', { ...at(id), signal }))).data

export const createProject = async (body: NewProject) => (await unwrap(api.POST('/api/projects', { body }))).data

/** Changes a project as it was `seen`; whoever changed it since makes this fail with `version_mismatch`. */
export const changeProject = async (seen: Project, change: ProjectChange) =>
  (await unwrap(api.PATCH('/api/projects/{id}', { ...at(seen.id), body: { ...change, ifUpdatedAt: seen.updatedAt } }))).data

export const deleteProject = (id: string) => unwrap(api.DELETE('/api/projects/{id}', at(id)))

export const reorderProjects = async (ids: string[]) => (await unwrap(api.POST('/api/projects/reorder', { body: { ids } }))).data

/** Changes many projects in one transaction each; the results are in the order of `changes`. */
export const changeProjects = async (changes: { seen: Project; change: ProjectChange }[]) => {
  const ops = changes.map(({ seen, change }) => ({ id: seen.id, patch: change, ifUpdatedAt: seen.updatedAt }))
  return (await unwrap(api.POST('/api/projects/batch', { body: { ops } }))).data.results
}
