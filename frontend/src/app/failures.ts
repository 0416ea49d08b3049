import { ApiFailure } from '@/api/client'

import { canSay, say } from './i18n'

/** What went wrong, for a person: chosen from the code, or else the server's own sentence. */
export function failureText(error: unknown): string {
  if (!(error instanceof ApiFailure)) return error instanceof Error ? error.message : String(error)
  if (error.code === 'invalid_field' && error.details[0]) return error.details[0].message
  const path = `failures.${error.code}`
  return canSay(path) ? say(path) : error.message
}
