// Usage is added up by day in UTC, as the ledger writes times: a period that begins at another midnight would cut days apart.

const DAY_MS = 86_400_000

const startOf = (time: number) => `${new Date(time).toISOString().slice(0, 10)}T00:00:00.000000Z`

/** When today began, in UTC. */
export const todayBegins = (now: Date) => startOf(now.getTime())

/** When yesterday began, in UTC. */
export const yesterdayBegins = (now: Date) => startOf(now.getTime() - DAY_MS)

/** When this month and the one before began, in UTC. */
export function monthsBegin(now: Date): [string, string] {
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()]
  return [startOf(Date.UTC(year, month)), startOf(Date.UTC(year, month - 1))]
}
