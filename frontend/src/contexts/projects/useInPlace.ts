import { useNotices } from '@/app/notices'

import type { Project, ProjectChange } from './projects.api'
import { read, useProjects } from './projects.store'

/** Editing in place: a field is changed as it was seen when the person began. What was saved can be taken back. */
export function useInPlace(project: () => Project, saved: (field: string) => string) {
  const projects = useProjects()
  const notices = useNotices()
  const seen = new Map<string, Project>()

  async function save(field: string, value: unknown) {
    const base = seen.get(field) ?? project()
    seen.delete(field)
    const before = read(base, field) ?? null
    try {
      const changed = await projects.change(base, { [field]: value } as ProjectChange)
      if (changed) notices.done(saved(field), () => projects.change(changed, { [field]: before } as ProjectChange))
    } catch (error) {
      notices.failed(error)
    }
  }

  return { begin: (field: string) => void seen.set(field, project()), save }
}
