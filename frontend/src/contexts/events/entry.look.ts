import { canSay, say } from '@/app/i18n'
import { fieldChanges, text } from '@/contexts/history/changes'
import { plain } from '@/design/plain'
import { look, type Tone } from '@/design/words'

import type { Entry } from './timeline'
import { levelOf } from './timeline.filter'

const OF_TYPE: Record<string, string> = {
  note: 'i-lucide-message-square',
  milestone: 'i-lucide-flag',
  result: 'i-lucide-package-check',
  error: 'i-lucide-circle-x',
  'status-change': 'i-lucide-arrow-right-left',
  risk: 'i-lucide-triangle-alert',
  decision: 'i-lucide-split',
  blocked: 'i-lucide-octagon-alert',
  task_started: 'i-lucide-play',
  task_completed: 'i-lucide-check',
  scope_change: 'i-lucide-expand',
  action: 'i-lucide-zap',
}

const OF_CHANGE: Record<string, string> = {
  'project.created': 'i-lucide-folder-plus',
  'project.deleted': 'i-lucide-trash-2',
}

/** How an entry looks: its icon says what it is, its colour how much it matters. */
export function looks(entry: Entry): { icon: string; tone: Tone } {
  if (entry.kind === 'run') return look('run', entry.run.status)
  if (entry.kind === 'change') return { icon: OF_CHANGE[entry.change.operation] ?? 'i-lucide-pencil', tone: 'primary' }
  if (entry.kind === 'action') return { icon: 'i-lucide-zap', tone: 'primary' }
  const { tone } = look('level', levelOf(entry))
  const icon = OF_TYPE[entry.event.type] ?? 'i-lucide-circle-dot'
  return { icon, tone: tone === 'info' ? 'neutral' : tone }
}

/** The colour of an icon. */
export const COLOURS: Record<Tone, string> = {
  neutral: 'text-muted',
  primary: 'text-primary',
  info: 'text-info',
  success: 'text-success',
  warning: 'text-warning',
  error: 'text-error',
}

/** What an event or an action is called: an action by its type unless its sender says more. */
export function nameOf({ kind, event }: Extract<Entry, { event: unknown }>): string {
  const action = event.type.replace(/^action\./, '')
  const known = `events.actions.${action}`
  if (kind === 'action' && (!event.title || event.title === action) && canSay(known)) return say(known)
  return event.title || plain(text(event.message).split('\n').find((line) => line.trim()) ?? '') || event.type
}

/** How the time of an entry is told: today by how long ago it is, under the name of another day by the clock. */
export const timeForm = (time: string): 'ago' | 'clock' => (new Date(time).toDateString() === new Date().toDateString() ? 'ago' : 'clock')

/** The fields that a change was about. */
export const fieldsOf = (entry: Extract<Entry, { kind: 'change' }>) => fieldChanges(entry.change.before, entry.change.after)
