import { useToast } from '@nuxt/ui/composables'
import { computed, shallowReactive } from 'vue'
import { useI18n } from 'vue-i18n'

import { useNotices } from '@/app/notices'

import { permuted, placed } from './ordering'
import type { NewProject, Project, ProjectChange } from './projects.api'
import { read, useProjects } from './projects.store'

/** Changes that can be taken back by a key. */
const REMEMBERED_UNDOS = 20

/** The fields of `change` as they were; what was not there becomes null, for the server removes nothing. */
export const reverse = (before: Project, change: ProjectChange): ProjectChange =>
  Object.fromEntries(Object.keys(change).map((field) => [field, read(before, field) ?? null])) as ProjectChange

/** What the list does to projects: at once on the screen, then on the server, and back again if a person wants. */
export function useProjectChanges() {
  const { t } = useI18n()
  const projects = useProjects()
  const notices = useNotices()
  const toast = useToast()
  /** Changes that are on their way to the server. */
  const pending = shallowReactive(new Map<string, ProjectChange>())
  const undos: (() => Promise<unknown>)[] = []

  const all = computed(() => (pending.size === 0 ? projects.all : projects.all.map((project) => ({ ...project, ...pending.get(project.id) }) as Project)))

  function remember(undo: () => Promise<unknown>) {
    let isUsed = false
    const once = async () => {
      if (isUsed) return
      isUsed = true
      undos.splice(undos.indexOf(once), 1)
      await undo()
    }
    undos.push(once)
    if (undos.length > REMEMBERED_UNDOS) undos.shift()
    return once
  }

  async function attempt(work: () => Promise<unknown>) {
    try {
      await work()
    } catch (error) {
      notices.failed(error)
    }
  }

  /** Changes one project; `said` tells the person about it. */
  async function save(id: string, change: ProjectChange, said?: string) {
    const before = projects.find(id)
    if (!before) return
    pending.set(id, { ...pending.get(id), ...change })
    await attempt(async () => {
      try {
        const changed = await projects.change(before, change)
        if (!changed) return
        const undo = remember(() => projects.change(changed, reverse(before, change)))
        if (said) notices.done(said, undo)
      } finally {
        pending.delete(id)
      }
    })
  }

  /** Changes many in one request, and says which ones were not. */
  async function saveMany(changes: { seen: Project; change: ProjectChange }[]) {
    const wanted = changes.filter(({ change }) => Object.keys(change).length > 0)
    if (wanted.length === 0) return
    await attempt(async () => {
      const results = await projects.changeMany(wanted)
      const done = wanted.flatMap(({ seen, change }, at) => {
        const result = results[at]
        return result?.success ? [{ seen: result.data, change: reverse(seen, change) }] : []
      })
      const failed = wanted.flatMap(({ seen }, at) => {
        const result = results[at]
        return result && !result.success ? [t('projects.list.failedOne', { name: seen.name, reason: result.status === 409 ? t('projects.list.changedMeanwhile') : result.error })] : []
      })
      if (failed.length > 0) {
        const title = t('projects.list.failedMany', { n: failed.length }, failed.length)
        toast.add({ title, description: failed.join('\n'), icon: 'i-lucide-circle-x', color: 'error', duration: 0, ui: { description: 'whitespace-pre-line max-h-40 overflow-y-auto' } })
        await projects.load()
      }
      if (done.length > 0) notices.done(t('projects.list.changedMany', { n: done.length }, done.length), remember(() => takeBack(done)))
    })
  }

  /** Takes changes back where nobody changed the project since. */
  async function takeBack(changes: { seen: Project; change: ProjectChange }[]) {
    const kept = (await projects.changeMany(changes)).filter(({ success }) => !success).length
    if (kept > 0) throw new Error(t('projects.list.failedMany', { n: kept }, kept))
  }

  /** Puts a project before or after another one in the order of the visible ones; those that are hidden keep their places. */
  async function move(visible: Project[], id: string, target: { before?: string; after?: string }) {
    const before = projects.all.map((project) => project.id)
    const wanted = permuted(before, placed(visible.map((project) => project.id), id, target))
    if (wanted.every((other, at) => other === before[at])) return
    await attempt(async () => {
      await projects.reorder(wanted)
      remember(() => projects.reorder(before))
    })
  }

  /** Deletes projects. What brings them back makes them anew, with every field that they had, on the places where they stood. */
  async function remove(gone: Project[]) {
    const order = projects.all.map((project) => project.id)
    await attempt(async () => {
      for (const project of gone) await projects.remove(project)
      const undo = remember(async () => {
        for (const project of gone) await projects.create(project as NewProject)
        await projects.reorder(order)
      })
      const [first] = gone
      notices.done(gone.length === 1 && first ? t('projects.list.deletedOne', { name: first.name }) : t('projects.list.deletedMany', { n: gone.length }, gone.length), undo)
    })
  }

  /** Takes the newest change of this page back. */
  async function undoLast() {
    const undo = undos.at(-1)
    if (!undo) return
    await attempt(async () => {
      await undo()
      notices.done(t('design.undone'))
    })
  }

  return { all, save, saveMany, move, remove, undoLast }
}
