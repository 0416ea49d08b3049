import { defineStore } from 'pinia'
import { computed, ref, shallowRef, triggerRef } from 'vue'

import { ApiFailure } from '@/api/client'
import { useLines, type Line } from '@/app/connection'

import * as server from './projects.api'
import type { Project, ProjectChange } from './projects.api'

/** A change that met another one: what the person wrote, on what, and what is there now. */
export interface Conflict {
  seen: Project
  mine: ProjectChange
  theirs: Project
}

/** Lines that come within this time cause one reload, in milliseconds. */
const GATHER_MS = 200

/** All projects in their manual order, as they are on the server now. */
export const useProjects = defineStore('projects', () => {
  const byId = shallowRef(new Map<string, Project>())
  const isLoaded = ref(false)
  const error = shallowRef<ApiFailure>()
  const conflict = shallowRef<Conflict & { settle: (outcome: Project | undefined) => void }>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let loading: Promise<void> | undefined

  const all = computed(() => [...byId.value.values()])

  function keep(project: Project) {
    const known = byId.value.get(project.id)
    if (known && known.updatedAt > project.updatedAt) return
    byId.value.set(project.id, project)
    triggerRef(byId)
  }

  function drop(id: string) {
    if (byId.value.delete(id)) triggerRef(byId)
  }

  /** Fetches all of them; those who ask meanwhile wait for the same answer. */
  function load(): Promise<void> {
    loading ??= fetchAll().finally(() => {
      loading = undefined
    })
    return loading
  }

  async function fetchAll() {
    try {
      byId.value = new Map((await server.listProjects()).map((project) => [project.id, project]))
      error.value = undefined
      isLoaded.value = true
    } catch (failure) {
      error.value = failure as ApiFailure
    }
  }

  /** Makes sure that they are there. */
  async function ready() {
    if (!isLoaded.value) await load()
  }

  function soon() {
    timer ??= setTimeout(() => {
      timer = undefined
      if (isLoaded.value) void load()
    }, GATHER_MS)
  }

  /** What a line says about a project is applied to the very version that it changed; anything else is fetched. */
  function follow(line: Line) {
    if (!line.operation.startsWith('project') && line.operation !== 'action.applied' && line.operation !== 'proposal.accepted') return
    if (line.operation === 'project.deleted' && line.subjectId) return drop(line.subjectId)
    const known = line.projectId ? byId.value.get(line.projectId) : undefined
    const { before, after } = line.change as { before?: Partial<Project>; after?: Partial<Project> }
    if (known && after?.updatedAt && known.updatedAt >= after.updatedAt) return
    if (line.operation === 'project.updated' && known && after && before?.updatedAt === known.updatedAt) {
      return keep({ ...known, ...after })
    }
    soon()
  }

  useLines(follow, soon)

  /**
   * Changes a project as it was seen. Whoever changed the same fields meanwhile is shown to the person, who decides;
   * what others changed elsewhere stays. `undefined` if the person gave up.
   */
  async function change(seen: Project, mine: ProjectChange): Promise<Project | undefined> {
    try {
      const changed = await server.changeProject(seen, mine)
      keep(changed)
      return changed
    } catch (failure) {
      if (!(failure instanceof ApiFailure) || failure.code !== 'version_mismatch') throw failure
    }
    const theirs = await server.getProject(seen.id)
    keep(theirs)
    if (!collides(seen, theirs, mine)) return change(theirs, mine)
    return new Promise((resolve) => {
      conflict.value = {
        seen,
        mine,
        theirs,
        settle: (outcome) => {
          conflict.value = undefined
          resolve(outcome)
        },
      }
    })
  }

  return {
    all,
    byId,
    isLoaded,
    error,
    conflict,
    load,
    ready,
    keep,
    drop,
    change,
    find: (id: string | null | undefined) => (id ? byId.value.get(id) : undefined),
    /** The name of a project, or its id where it is not there any more. */
    nameOf: (id: string | null | undefined) => (id ? (byId.value.get(id)?.name ?? id) : undefined),
    create: async (body: server.NewProject) => {
      const project = await server.createProject(body)
      keep(project)
      return project
    },
    remove: async (project: Project) => {
      await server.deleteProject(project.id)
      drop(project.id)
    },
    /** Puts the projects into this order at once; what the server refuses is put back. */
    reorder: async (ids: string[]) => {
      const before = byId.value
      const rest = [...before.keys()].filter((id) => !ids.includes(id))
      byId.value = new Map([...ids, ...rest].flatMap((id) => {
        const project = before.get(id)
        return project ? [[id, project] as const] : []
      }))
      try {
        await server.reorderProjects([...byId.value.keys()])
      } catch (failure) {
        byId.value = before
        throw failure
      }
    },
    changeMany: async (changes: { seen: Project; change: ProjectChange }[]) => {
      const results = await server.changeProjects(changes)
      results.forEach((result) => {
        if (result.success) keep(result.data)
      })
      return results
    },
  }
})

function collides(seen: Project, theirs: Project, mine: ProjectChange): boolean {
  return Object.keys(mine).some((field) => !same(read(seen, field), read(theirs, field)))
}

/** A field by its name, also one that a client made up. */
export const read = (project: object, field: string): unknown => (project as Record<string, unknown>)[field]

/** Whether two values of a document are equal. */
export const same = (left: unknown, right: unknown) => JSON.stringify(left) === JSON.stringify(right)
