import { computed, ref, shallowRef, watch } from 'vue'

import { amountOf, customProblems, draftChange, draftOf, rebased, type Draft } from './draft'
import type { Project } from './projects.api'
import { useProjects } from './projects.store'

/** What a person types about a project, kept apart from what others save meanwhile. */
export function useProjectDraft(project: Project | undefined) {
  const projects = useProjects()
  const seen = shallowRef(project)
  const draft = ref<Draft>(draftOf(project))

  const change = computed(() => draftChange(draft.value, seen.value))
  const isDirty = computed(() => Object.keys(change.value).length > 0 || draft.value.custom.some(({ name, value }) => name.trim() === '' && value !== ''))
  const isGone = computed(() => project !== undefined && projects.isLoaded && projects.find(project.id) === undefined)
  const wrongAmounts = computed(() => (['budget', 'cost', 'revenue'] as const).filter((field) => amountOf(draft.value[field]) === undefined))
  const customFailures = computed(() => customProblems(draft.value.custom))
  const isValid = computed(() => draft.value.name.trim() !== '' && wrongAmounts.value.length === 0 && customFailures.value.every((problem) => problem === undefined))

  watch(
    () => projects.find(project?.id),
    (newer) => {
      if (!newer || !seen.value || newer.updatedAt === seen.value.updatedAt) return
      const next = rebased(draft.value, seen.value, newer)
      draft.value = next.draft
      seen.value = next.seen
    },
  )

  return {
    seen,
    draft,
    change,
    isDirty,
    isGone,
    wrongAmounts,
    customFailures,
    isValid,
    /** Shows what is there now, without what was typed. */
    startOver() {
      seen.value = projects.find(project?.id) ?? seen.value
      draft.value = draftOf(seen.value)
    },
  }
}
