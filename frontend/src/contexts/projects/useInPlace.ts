import { useNotices } from '@/app/notices'

import type { Project, ProjectChange } from './projects.api'
import { useProjects } from './projects.store'

/** Editing in place: a field is changed as it was seen when the person began. What was saved can be taken back. */
export function useInPlace(project: () => Project, saved: (field: string) => string) {
  const projects = useProjects()
  const notices = useNotices()
  const seen = new Map<string, Project>()

  async function save(field: string, value: unknown, base = seen.get(field) ?? project()) {
    seen.delete(field)
    try {
      const changed = await projects.change(base, { [field]: value } as ProjectChange)
      if (changed) notices.done(saved(field), () => projects.takeBack(changed))
    } catch (error) {
      notices.failed(error, () => save(field, value, base))
    }
  }

  return { begin: (field: string) => void seen.set(field, project()), save: (field: string, value: unknown) => save(field, value) }
}
