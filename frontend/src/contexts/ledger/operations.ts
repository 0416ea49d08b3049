import type { Line } from './ledger.api'

interface Group {
  icon: string
  operations: readonly string[]
}

/** What is done, in the groups that a person filters by. */
export const GROUPS: Record<string, Group> = {
  project: { icon: 'i-lucide-folder', operations: ['project.created', 'project.updated', 'project.deleted', 'projects.reordered'] },
  run: { icon: 'i-lucide-play', operations: ['run.created', 'run.updated'] },
  event: { icon: 'i-lucide-message-square', operations: ['event.appended'] },
  action: { icon: 'i-lucide-zap', operations: ['action.applied', 'proposal.recorded', 'proposal.accepted', 'proposal.rejected'] },
  usage: { icon: 'i-lucide-coins', operations: ['usage.recorded', 'usage.corrected'] },
  agent: { icon: 'i-lucide-bot', operations: ['profile.created', 'profile.updated', 'profile.deleted', 'capability.created', 'capability.updated', 'capability.deleted'] },
  user: { icon: 'i-lucide-user', operations: ['user.created', 'user.signed_in', 'user.signed_out', 'user.sign_in_refused', 'user.password_changed'] },
  database: { icon: 'i-lucide-database', operations: ['database.created', 'database.adopted'] },
}

/** Who does it. */
export const ACTOR_KINDS = ['person', 'agent', 'anybody', 'administrator', 'system'] as const

const iconOf = new Map(Object.values(GROUPS).flatMap(({ icon, operations }) => operations.map((operation) => [operation, icon] as const)))

/** The picture of what a line says was done. */
export function lineIcon({ operation }: Pick<Line, 'operation'>): string {
  if (operation === 'user.sign_in_refused') return 'i-lucide-shield-alert'
  if (operation.endsWith('.deleted')) return 'i-lucide-trash-2'
  return iconOf.get(operation) ?? 'i-lucide-circle-dot'
}
