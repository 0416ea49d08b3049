import { text } from '@/contexts/history/changes'

import { actorOf, type Entry } from './timeline'

/** The kinds of entries that a person can choose among. */
export const KINDS = ['all', 'runs', 'events', 'actions', 'changes'] as const

/** The least levels that a person can choose among. */
export const LEVELS = ['all', 'info', 'warn', 'error'] as const

/** What of a timeline is looked at. */
export interface TimelineFilter {
  kind: (typeof KINDS)[number]
  level: (typeof LEVELS)[number]
  type: string
  agent: string
  text: string
}

const RANKS: Record<string, number> = { trace: 0, debug: 0, info: 1, warn: 2, warning: 2, error: 3, fatal: 3, critical: 3 }
const WORDS = ['debug', 'info', 'warn', 'error']
const OF_KIND = { runs: 'run', events: 'event', actions: 'action', changes: 'change' }

/** How much an entry matters: a failed run like an error, a word of another system like `info`. */
export function levelOf(entry: Entry): string {
  if (entry.kind === 'change') return 'info'
  if (entry.kind !== 'run') return entry.event.level
  const status = entry.run.status ?? ''
  return ['failed', 'error'].includes(status) ? 'error' : status === 'cancelled' ? 'warn' : 'info'
}

/** The place of a level among the four that are known. */
export const rank = (level: string) => RANKS[level.toLowerCase()] ?? 1

/** The highest level among entries, in our words. */
export const worst = (entries: Entry[]) => WORDS[Math.max(0, ...entries.map((entry) => rank(levelOf(entry))))] ?? 'info'

function words(entry: Entry): string {
  if (entry.kind === 'run') return [entry.run.title, text(entry.run.summary), entry.run.status, entry.run.id, entry.run.agentId].join('\n')
  if (entry.kind === 'change') return [entry.change.operation, entry.change.reason, actorOf(entry), JSON.stringify(entry.change.after)].join('\n')
  const { title, message, type, agentId, id } = entry.event
  return [title, message, type, agentId, id].join('\n')
}

/** Whether an entry is looked at. */
export function matching(filter: TimelineFilter): (entry: Entry) => boolean {
  const wanted = filter.text.trim().toLowerCase()
  const least = filter.level === 'all' ? 0 : rank(filter.level)
  return (entry) => {
    if (filter.kind !== 'all' && entry.kind !== OF_KIND[filter.kind]) return false
    if (filter.type && (entry.kind === 'run' || entry.kind === 'change' || entry.event.type !== filter.type)) return false
    if (least > 0 && rank(levelOf(entry)) < least) return false
    if (filter.agent && actorOf(entry) !== filter.agent) return false
    return !wanted || words(entry).toLowerCase().includes(wanted)
  }
}

/** Whether anything but the kind is chosen: then a person looks for something, and finds it open. */
export const isSearching = (filter: TimelineFilter) => filter.level !== 'all' || Boolean(filter.type || filter.agent || filter.text.trim())
