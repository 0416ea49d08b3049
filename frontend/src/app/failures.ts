import { ApiFailure } from '@/api/client'

import { canSay, say } from './i18n'

/** What went wrong, for a person: chosen from the code, or else the server's own sentence. */
export function failureText(error: unknown): string {
  if (!(error instanceof ApiFailure)) return error instanceof Error ? error.message : String(error)
  if (error.code === 'invalid_field' && error.details[0]) return error.details[0].message
  const path = `failures.${error.code}`
  return canSay(path) ? say(path) : error.message
}

/** Where Vue says that a component cannot be shown: its words, and the numbers that stand for them in the built page. */
const FATAL = ['setup function', 'render function', 'component update', 'async component loader', '#runtime-0', '#runtime-1', '#runtime-13', '#runtime-15']

/** Whether an error that Vue caught leaves nothing to be shown; one of a handler or a watcher does not. */
export const isFatal = (info: string): boolean => FATAL.some((place) => info.endsWith(place))
