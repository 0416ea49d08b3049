const DAY_MS = 86_400_000

/** How long keys and invitations can be asked to live, in days. */
export const KEY_DAYS = [7, 30, 90, 365] as const
export const INVITATION_DAYS = [1, 3, 7, 14, 30] as const

/** The moment so many days from now, as the API takes it; a minute is left for clocks that differ. */
export function inDays(days: number, now = Date.now()): string {
  return new Date(now + days * DAY_MS - 60_000).toISOString()
}

/** Whether a moment is over. */
export const isOver = (time: string | null | undefined, now: number) => typeof time === 'string' && Date.parse(time) <= now

/** A first call with a key, ready for a shell. */
export function keyCommand(address: string, key: string, scopes: readonly string[]): string {
  if (!scopes.includes('read')) {
    const record = '{"records":[{"agentId":"my-agent","model":"my-model","promptTokens":1,"completionTokens":1,"totalTokens":2}]}'
    return `curl -s -X POST ${address}/api/agent/usage \\\n  -H 'X-API-Key: ${key}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${record}'`
  }
  return `curl -s ${address}/api/projects \\\n  -H 'X-API-Key: ${key}'`
}
