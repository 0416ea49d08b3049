import { useToast } from '@nuxt/ui/composables'
import { computed, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { useNotices } from '@/app/notices'

import { permuted, placed } from './ordering'
import type { NewProject, Project, ProjectChange } from './projects.api'
import { reverse, useProjects } from './projects.store'

/** Changes that can be taken back by a key. */
const REMEMBERED_UNDOS = 20

/** What the list does to projects: at once on the screen, then on the server, and back again if a person wants. */
export function useProjectChanges() {
  const { t } = useI18n()
  const projects = useProjects()
  const notices = useNotices()
  const toast = useToast()
  /** Changes that are on their way to the server. */
  const pending = shallowRef<{ id: string; change: ProjectChange }[]>([])
  const undos: (() => Promise<unknown>)[] = []

  const all = computed(() => {
    const changes = new Map<string, ProjectChange>()
    for (const { id, change } of pending.value) changes.set(id, { ...changes.get(id), ...change })
    if (changes.size === 0) return projects.all
    return projects.all.map((project) => (changes.has(project.id) ? ({ ...project, ...changes.get(project.id) } as Project) : project))
  })

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

  /** Changes one project as the person saw it; `said` tells them about it. */
  async function save(seen: Project, change: ProjectChange, said?: string) {
    const mine = { id: seen.id, change }
    pending.value = [...pending.value, mine]
    try {
      const changed = await projects.change(seen, change)
      if (!changed) return
      const undo = remember(() => projects.takeBack(changed))
      if (said) notices.done(said, undo)
    } catch (error) {
      notices.failed(error, () => save(seen, change, said))
    } finally {
      pending.value = pending.value.filter((other) => other !== mine)
    }
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
    const removed: Project[] = []
    await attempt(async () => {
      for (const project of gone) {
        await projects.remove(project)
        removed.push(project)
      }
    })
    const [first] = removed
    if (!first) return
    const undo = remember(async () => {
      for (const project of removed) await projects.create(project as NewProject)
      await projects.reorder(order)
    })
    notices.done(removed.length === 1 ? t('projects.list.deletedOne', { name: first.name }) : t('projects.list.deletedMany', { n: removed.length }, removed.length), undo)
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
