import { useEventListener, useSessionStorage } from '@vueuse/core'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import type { ApiFailure } from '@/api/client'
import { text } from '@/contexts/history/changes'
import { useIdentity } from '@/contexts/identity/identity.store'

import type { Project } from './projects.api'
import { useProjects } from './projects.store'

/** After this pause in typing the notes are saved, in milliseconds. */
const PAUSE_MS = 1_500

/** When the server did not answer, another try is made after this time, in milliseconds. */
const AGAIN_MS = 5_000

interface Draft {
  text: string
  /** The notes that the person saw when they began, and the version they were of. */
  base: string
  version: string
}

/** Where the notes stand: as on the server, written but not saved, on their way, or refused. */
export type NotesState = 'saved' | 'unsaved' | 'saving' | 'failed'

/** What was kept; nothing, if it is no draft. */
function draftFrom(raw: string): Draft | null {
  try {
    const kept = JSON.parse(raw) as Partial<Draft> | null
    const isDraft = [kept?.text, kept?.base, kept?.version].every((part) => typeof part === 'string')
    return isDraft ? (kept as Draft) : null
  } catch {
    return null
  }
}

/** The notes of a project while somebody writes them. What is written stays, whoever else saves and whatever fails. */
export function useNotes(projectId: string) {
  const projects = useProjects()
  const draft = useSessionStorage<Draft | null>(`pilotdeck.notes.${useIdentity().account?.id ?? ''}.${projectId}`, null, { serializer: { read: draftFrom, write: (value) => JSON.stringify(value) } })
  const error = shallowRef<ApiFailure>()
  const savedAt = ref<string>()
  const isSaving = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  const project = computed(() => projects.find(projectId))
  const stored = computed(() => text(project.value?.notes))
  const written = computed({
    get: () => draft.value?.text ?? stored.value,
    set: (value: string) => {
      draft.value = { base: stored.value, version: project.value?.updatedAt ?? '', ...draft.value, text: value }
      if (value === draft.value.base && value === stored.value) draft.value = null
      error.value = undefined
      clearTimeout(timer)
      if (draft.value) timer = setTimeout(() => void save(), PAUSE_MS)
    },
  })
  const isDirty = computed(() => draft.value !== null && draft.value.text !== stored.value)
  const state = computed<NotesState>(() => (isSaving.value ? 'saving' : error.value ? 'failed' : isDirty.value ? 'unsaved' : 'saved'))
  /** Whether somebody else saved other notes since the person began. */
  const isOvertaken = computed(() => isDirty.value && draft.value !== null && draft.value.base !== stored.value)

  /** Saves what is written, on top of what the person saw. True if nothing is left to save. */
  async function save(): Promise<boolean> {
    clearTimeout(timer)
    const mine = draft.value
    const now = project.value
    if (!mine || !now || isSaving.value) return !isDirty.value
    if (mine.text === stored.value) {
      draft.value = null
      return true
    }
    isSaving.value = true
    error.value = undefined
    try {
      const seen: Project = mine.base === stored.value ? now : { ...now, notes: mine.base, updatedAt: mine.version }
      const changed = await projects.change(seen, { notes: mine.text })
      const more = draft.value && draft.value.text !== mine.text ? draft.value.text : undefined
      const outcome = text((changed ?? project.value)?.notes)
      draft.value = more === undefined ? null : { text: more, base: outcome, version: (changed ?? project.value)?.updatedAt ?? '' }
      if (more !== undefined) timer = setTimeout(() => void save(), PAUSE_MS)
      if (changed) savedAt.value = changed.updatedAt
    } catch (failure) {
      error.value = failure as ApiFailure
      if (error.value.code === 'unreachable') timer = setTimeout(() => void save(), AGAIN_MS)
    }
    isSaving.value = false
    return !error.value && !isDirty.value
  }

  useEventListener('beforeunload', (event) => {
    if (isDirty.value) event.preventDefault()
  })
  // What a reload left behind is saved like what was just typed.
  watch(project, (found) => {
    if (found && draft.value && !timer) timer = setTimeout(() => void save(), PAUSE_MS)
  }, { immediate: true })
  onScopeDispose(() => clearTimeout(timer))

  return { project, stored, written, state, isDirty, isOvertaken, error, savedAt, save }
}
