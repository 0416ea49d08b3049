import { tagsIn, tagsOf } from './fields'
import type { Project, ProjectChange } from './projects.api'
import { same } from './projects.store'

/** The fields that are edited as text in the table. */
export type TextCell = 'name' | 'category' | 'progress' | 'tags'

/** A field as the text that a person edits. */
export const cellText = (project: Project, field: TextCell): string =>
  field === 'tags' ? tagsIn(project).join(', ') : String(project[field] ?? '')

/** The change that the edited text means; `undefined` where it means none, such as a blank name. */
export function cellChange(project: Project, field: TextCell, text: string): ProjectChange | undefined {
  const value = parsed(project, field, text.trim())
  return value === undefined || same(value, field === 'tags' ? tagsIn(project) : (project[field] ?? null)) ? undefined : { [field]: value }
}

function parsed(project: Project, field: TextCell, text: string) {
  switch (field) {
    case 'name':
      return text === '' || text === project.name.trim() ? undefined : text
    case 'category':
      return text === (project.category ?? '') ? undefined : text || null
    case 'progress':
      return text === '' || !Number.isFinite(Number(text)) ? undefined : Math.max(0, Math.min(100, Math.round(Number(text))))
    case 'tags':
      return tagsOf(text)
  }
}
