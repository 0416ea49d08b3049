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
  /** What takes a change back, by its outcome: after a conflict that is the value of the other one, not what I saw first. */
  const reversals = new WeakMap<Project, ProjectChange>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let loading: Promise<void> | undefined

  const all = computed(() => [...byId.value.values()])

  /** What happened to single projects while all of them are fetched: the answer may be older. */
  let meanwhile = new Map<string, Project | undefined>()
  let isOutdated = false

  function keep(project: Project) {
    const known = byId.value.get(project.id)
    if (known && known.updatedAt > project.updatedAt) return
    meanwhile.set(project.id, project)
    byId.value.set(project.id, project)
    triggerRef(byId)
  }

  function drop(id: string) {
    meanwhile.set(id, undefined)
    if (byId.value.delete(id)) triggerRef(byId)
  }

  /** Fetches all of them; those who ask meanwhile wait for the same answer. */
  function load(): Promise<void> {
    loading ??= fetchAll().finally(() => {
      loading = undefined
      if (isOutdated) soon()
    })
    return loading
  }

  async function fetchAll() {
    meanwhile = new Map()
    isOutdated = false
    try {
      const fetched = new Map((await server.listProjects()).map((project) => [project.id, project]))
      for (const [id, project] of meanwhile) {
        const found = fetched.get(id)
        if (!project) fetched.delete(id)
        else if (!found || found.updatedAt < project.updatedAt) fetched.set(id, project)
      }
      byId.value = fetched
      error.value = undefined
      isLoaded.value = true
    } catch (failure) {
      error.value = failure as ApiFailure
    }
  }

  /** Puts those with these ids into this order, and all others behind them. */
  function arrange(ids: string[]) {
    const known = byId.value
    byId.value = new Map([...new Set([...ids, ...known.keys()])].flatMap((id) => {
      const project = known.get(id)
      return project ? [[id, project] as const] : []
    }))
  }

  /** Makes sure that they are there. */
  async function ready() {
    if (!isLoaded.value) await load()
  }

  function soon() {
    timer ??= setTimeout(() => {
      timer = undefined
      // What is under way may have been read before what was just heard.
      if (loading) isOutdated = true
      else if (isLoaded.value) void load()
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
      reversals.set(changed, reverse(seen, mine))
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
    /** Takes back what {@link change} did, unless somebody changed the same since. Nothing, if it did nothing. */
    takeBack: async (changed: Project) => {
      const reversal = reversals.get(changed)
      return reversal && change(changed, reversal)
    },
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
      const before = [...byId.value.keys()]
      arrange(ids)
      try {
        await server.reorderProjects([...byId.value.keys()])
      } catch (failure) {
        // Only the order goes back: what was heard meanwhile stays.
        arrange(before)
        throw failure
      }
      if (loading) isOutdated = true
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

/** The fields of `change` as they were; what was not there becomes null, for the server removes nothing. */
export const reverse = (before: Project, change: ProjectChange): ProjectChange =>
  Object.fromEntries(Object.keys(change).map((field) => [field, read(before, field) ?? null])) as ProjectChange

function collides(seen: Project, theirs: Project, mine: ProjectChange): boolean {
  return Object.keys(mine).some((field) => !same(read(seen, field), read(theirs, field)))
}

/** A field by its name, also one that a client made up. */
export const read = (project: object, field: string): unknown => (project as Record<string, unknown>)[field]

/** Whether two values of a document are equal. */
export const same = (left: unknown, right: unknown) => JSON.stringify(left) === JSON.stringify(right)
