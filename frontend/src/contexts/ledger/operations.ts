import type { Line } from './ledger.api'

interface Group {
  icon: string
  operations: readonly string[]
}

const SECOND_FACTOR = ['begun', 'enabled', 'disabled', 'recovery_codes_replaced'].map((did) => `second_factor.${did}`)
const INVITATION = ['created', 'accepted', 'refused', 'revoked'].map((did) => `invitation.${did}`)

/** What is done, in the groups that a person filters by. */
export const GROUPS: Record<string, Group> = {
  project: { icon: 'i-lucide-folder', operations: ['project.created', 'project.updated', 'project.deleted', 'projects.reordered'] },
  run: { icon: 'i-lucide-play', operations: ['run.created', 'run.updated'] },
  event: { icon: 'i-lucide-message-square', operations: ['event.appended'] },
  action: { icon: 'i-lucide-zap', operations: ['action.applied', 'proposal.recorded', 'proposal.accepted', 'proposal.rejected'] },
  usage: { icon: 'i-lucide-coins', operations: ['usage.recorded', 'usage.corrected'] },
  agent: { icon: 'i-lucide-bot', operations: ['profile.created', 'profile.updated', 'profile.deleted', 'capability.created', 'capability.updated', 'capability.deleted'] },
  user: { icon: 'i-lucide-user', operations: ['user.signed_in', 'user.signed_out', 'user.sign_in_refused', 'user.password_changed', 'session.ended', ...SECOND_FACTOR] },
  access: {
    icon: 'i-lucide-key-round',
    operations: ['user.created', 'user.updated', 'key.created', 'key.revoked', ...INVITATION, 'member.added', 'member.changed', 'member.removed'],
  },
  database: { icon: 'i-lucide-database', operations: ['created', 'adopted', 'backed_up', 'restored', 'exported', 'imported'].map((did) => `database.${did}`) },
  backup: { icon: 'i-lucide-database-backup', operations: ['made', 'proved', 'failed', 'skipped', 'rotten', 'sent', 'removed'].map((did) => `backup.${did}`) },
  deploy: { icon: 'i-lucide-rocket', operations: ['deploy.started', 'deploy.cancelled', 'deploy.finished'] },
}

/** Who does it. */
export const ACTOR_KINDS = ['person', 'agent', 'anybody', 'administrator', 'system'] as const

const iconOf = new Map(Object.values(GROUPS).flatMap(({ icon, operations }) => operations.map((operation) => [operation, icon] as const)))

/** What should catch the eye of whoever reads on. */
const ALARMS = new Set(['user.sign_in_refused', 'invitation.refused', 'backup.failed', 'backup.skipped', 'backup.rotten'])

/** The picture of what a line says was done. */
export function lineIcon({ operation }: Pick<Line, 'operation'>): string {
  if (ALARMS.has(operation)) return 'i-lucide-shield-alert'
  if (operation.endsWith('.deleted') || operation === 'backup.removed') return 'i-lucide-trash-2'
  return iconOf.get(operation) ?? 'i-lucide-circle-dot'
}
