import type { Project } from './projects.api'

/** What a project was given, what it spent and what it earned. */
export function projectMoney(project: Project) {
  const spent = project.cost?.total || project.actualCost
  return { spent, revenue: project.revenue?.total ?? 0, isOverBudget: project.budget > 0 && spent > project.budget }
}
