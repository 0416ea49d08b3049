const DAY_MS = 86_400_000

/** Periods that have a name; days are those of UTC, as usage is added up. */
export const PERIODS = ['7d', '30d', '90d', 'month', 'last-month', 'year', 'all'] as const

/** One of {@link PERIODS}. */
export type Period = (typeof PERIODS)[number]

/** The first and the last day, both inclusive; without a first one it is everything. */
export interface Days {
  first?: string
  last: string
}

const day = (time: number) => new Date(time).toISOString().slice(0, 10)

/** The days of a period, as of `now`. */
export function daysOf(period: Period, now: number): Days {
  const today = new Date(now)
  const [year, month] = [today.getUTCFullYear(), today.getUTCMonth()]
  switch (period) {
    case '7d':
      return { first: day(now - 6 * DAY_MS), last: day(now) }
    case '30d':
      return { first: day(now - 29 * DAY_MS), last: day(now) }
    case '90d':
      return { first: day(now - 89 * DAY_MS), last: day(now) }
    case 'month':
      return { first: day(Date.UTC(year, month)), last: day(now) }
    case 'last-month':
      return { first: day(Date.UTC(year, month - 1)), last: day(Date.UTC(year, month, 0)) }
    case 'year':
      return { first: day(Date.UTC(year, 0)), last: day(now) }
    case 'all':
      return { last: day(now) }
  }
}

/** As many days right before them: what a period is compared with. */
export function daysBefore({ first, last }: Days): Days | undefined {
  if (!first) return undefined
  const [from, to] = [Date.parse(first), Date.parse(last)]
  return { first: day(from - (to - from) - DAY_MS), last: day(from - DAY_MS) }
}

/** All days from the first to the last one. */
export function eachDay(first: string, last: string): string[] {
  const count = Math.max(0, Math.round((Date.parse(last) - Date.parse(first)) / DAY_MS) + 1)
  return Array.from({ length: Math.min(count, 3700) }, (_, index) => day(Date.parse(first) + index * DAY_MS))
}

/** The days as the filter of a request. */
export function asTimes({ first, last }: Days): { since?: string; until: string } {
  return { since: first && `${first}T00:00:00.000000Z`, until: `${last}T23:59:59.999999Z` }
}
