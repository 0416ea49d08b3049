import type { AgentSum, Profile } from './profiles.api'

/** The runs of an agent: how many, and when the last one was recorded. */
export interface RunSum {
  total: number
  last: string | null
}

/** What is known of an agent: nothing is left out and nothing is made up, so what was not reported is undefined. */
export interface Figures {
  runs: number
  last: string | null
  tokens: number
  /** Undefined where tokens were used and no price was reported for any. */
  cost: number | undefined
  /** Tokens of which nobody reported a price. */
  unpriced: number
}

/** The names under which a profile works: runs and usage name it by its id, or by its name. */
export const namesOf = ({ id, name }: Pick<Profile, 'id' | 'name'>): string[] => [...new Set([id, name])]

/** The figures of an agent under all of its names together. */
export function figuresOf(names: string[], runs: ReadonlyMap<string, RunSum>, sums: readonly AgentSum[]): Figures {
  const ofRuns = names.flatMap((name) => runs.get(name) ?? [])
  const ofUsage = sums.filter(({ agentId }) => names.includes(agentId))
  const tokens = ofUsage.reduce((total, { totalTokens }) => total + totalTokens, 0)
  const price = ofUsage.reduce((total, { cost }) => total + cost, 0)
  const unpriced = ofUsage.reduce((total, { unpricedTokens }) => total + unpricedTokens, 0)
  return {
    runs: ofRuns.reduce((total, sum) => total + sum.total, 0),
    last: ofRuns.flatMap(({ last }) => last ?? []).sort().at(-1) ?? null,
    tokens,
    cost: unpriced > 0 && unpriced >= tokens ? undefined : price,
    unpriced,
  }
}

/** What usage without an agent is counted under. */
const NOBODY = 'unassigned'

/** Agents that were seen at work and that no profile names. */
export function strangers(seen: Iterable<string>, profiles: readonly Pick<Profile, 'id' | 'name'>[]): string[] {
  const known = new Set(profiles.flatMap(namesOf))
  return [...new Set(seen)].filter((agentId) => agentId !== '' && agentId !== NOBODY && !known.has(agentId)).sort()
}
