import { canSay, say } from '@/app/i18n'

/** Colours of Nuxt UI that badges take. */
export type Tone = 'neutral' | 'primary' | 'info' | 'success' | 'warning' | 'error'

interface Look {
  tone: Tone
  icon: string
}

const PROJECT_STATUS: Record<string, Look> = {
  planning: { tone: 'neutral', icon: 'i-lucide-circle-dashed' },
  'in-progress': { tone: 'info', icon: 'i-lucide-circle-play' },
  paused: { tone: 'warning', icon: 'i-lucide-circle-pause' },
  completed: { tone: 'success', icon: 'i-lucide-circle-check' },
  cancelled: { tone: 'neutral', icon: 'i-lucide-circle-slash' },
}

const PRIORITY: Record<string, Look> = {
  urgent: { tone: 'error', icon: 'i-lucide-chevrons-up' },
  high: { tone: 'warning', icon: 'i-lucide-chevron-up' },
  medium: { tone: 'neutral', icon: 'i-lucide-equal' },
  low: { tone: 'neutral', icon: 'i-lucide-chevron-down' },
}

const RUN_STATUS: Record<string, Look> = {
  running: { tone: 'info', icon: 'i-lucide-loader' },
  queued: { tone: 'neutral', icon: 'i-lucide-hourglass' },
  success: { tone: 'success', icon: 'i-lucide-circle-check' },
  completed: { tone: 'success', icon: 'i-lucide-circle-check' },
  failed: { tone: 'error', icon: 'i-lucide-circle-x' },
  error: { tone: 'error', icon: 'i-lucide-circle-x' },
  cancelled: { tone: 'neutral', icon: 'i-lucide-circle-slash' },
  stalled: { tone: 'warning', icon: 'i-lucide-triangle-alert' },
}

const LEVEL: Record<string, Look> = {
  debug: { tone: 'neutral', icon: 'i-lucide-bug' },
  info: { tone: 'info', icon: 'i-lucide-info' },
  warn: { tone: 'warning', icon: 'i-lucide-triangle-alert' },
  warning: { tone: 'warning', icon: 'i-lucide-triangle-alert' },
  error: { tone: 'error', icon: 'i-lucide-circle-x' },
}

const KINDS = { status: PROJECT_STATUS, priority: PRIORITY, run: RUN_STATUS, level: LEVEL }

/** The vocabularies whose words have a colour, an icon and a name in every language. */
export type WordKind = keyof typeof KINDS

/** The status words of projects, in the order of their life. */
export const PROJECT_STATUSES = Object.keys(PROJECT_STATUS)

/** The priority words of projects, the most urgent first. */
export const PRIORITIES = Object.keys(PRIORITY)

/** How a word looks; words of other systems look neutral. */
export function look(kind: WordKind, word: string | null | undefined): Look {
  return (word && KINDS[kind][word]) || { tone: 'neutral', icon: 'i-lucide-circle' }
}

/** The word in the language of the page; a word that nobody translated stays as it is. */
export function spoken(kind: WordKind, word: string | null | undefined): string {
  if (!word) return say('design.none')
  const path = `words.${kind}.${word}`
  return canSay(path) ? say(path) : word
}
