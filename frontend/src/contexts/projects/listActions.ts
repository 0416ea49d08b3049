import type { DropdownMenuItem } from '@nuxt/ui'
import { inject, type InjectionKey } from 'vue'
import { useI18n } from 'vue-i18n'

import { look, PRIORITIES, PROJECT_STATUSES, spoken } from '@/design/words'

import type { Project, ProjectChange } from './projects.api'

/** What can be done to the projects of a list; the page does it. */
export interface ListActions {
  open: (project: Project) => void
  edit: (project: Project) => void
  remove: (projects: Project[]) => void
  save: (project: Project, change: ProjectChange, said?: string) => void
  move: (project: Project, target: { before?: string; after?: string }) => void
  copy: (text: string) => void
  /** Whether the person may change this project; without one: any. */
  mayWrite: (project?: Project) => boolean
  /** Whether they may delete it. */
  mayDelete: (project: Project) => boolean
  /** Whether the order is the manual one, so that things can be moved within it. */
  isManual: () => boolean
}

/** Where the page provides them. */
export const LIST_ACTIONS: InjectionKey<ListActions> = Symbol('list actions')

/** The actions of the page that this component stands in. */
export function useListActions(): ListActions {
  const actions = inject(LIST_ACTIONS)
  if (!actions) throw new Error('this component stands in a list of projects')
  return actions
}

/** The menu of one project. */
export function useProjectMenu() {
  const { t } = useI18n()
  const actions = useListActions()

  const words = (kind: 'status' | 'priority', known: string[], project: Project): DropdownMenuItem[] =>
    known.map((word) => ({
      label: spoken(kind, word),
      icon: look(kind, word).icon,
      type: 'checkbox' as const,
      checked: project[kind] === word,
      onSelect: () => actions.save(project, { [kind]: word }, t('projects.list.moved', { name: project.name, word: spoken(kind, word) })),
    }))

  return (project: Project): DropdownMenuItem[][] => [
    [
      { label: t('projects.list.open'), icon: 'i-lucide-arrow-right', kbds: ['enter'], onSelect: () => actions.open(project) },
      ...(actions.mayWrite(project) ? [{ label: t('design.edit'), icon: 'i-lucide-pencil', kbds: ['E'], onSelect: () => actions.edit(project) }] : []),
      { label: t('projects.list.copyId'), icon: 'i-lucide-copy', onSelect: () => actions.copy(project.id) },
    ],
    !actions.mayWrite(project) ? [] : [
      { label: t('projects.fields.status'), icon: 'i-lucide-circle-dashed', children: [words('status', PROJECT_STATUSES, project)] },
      { label: t('projects.fields.priority'), icon: 'i-lucide-chevrons-up', children: [words('priority', PRIORITIES, project)] },
    ],
    !actions.mayDelete(project) ? [] : [{ label: t('design.delete'), icon: 'i-lucide-trash-2', color: 'error' as const, kbds: ['delete'], onSelect: () => actions.remove([project]) }],
  ].filter(({ length }) => length > 0)
}
