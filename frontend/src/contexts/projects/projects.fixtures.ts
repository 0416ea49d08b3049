import type { Project } from './projects.api'

/** A project for tests. */
export const aProject = (fields: Partial<Project> = {}): Project => ({
  id: 'proj-1',
  name: 'Apollo',
  status: 'in-progress',
  priority: 'medium',
  category: null,
  progress: 0,
  description: '',
  notes: '',
  tags: [],
  cost: { total: 0 },
  revenue: { total: 0 },
  budget: 0,
  actualCost: 0,
  createdAt: '2026-01-01T00:00:00.000000Z',
  updatedAt: '2026-01-02T00:00:00.000000Z',
  ...fields,
})
