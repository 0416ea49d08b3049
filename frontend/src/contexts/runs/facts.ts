import { text } from '@/contexts/history/changes'

import type { Run } from './runs.api'

/** A place to look at; without `href` it is only named, because it is no address that may be opened. */
export interface RunLink {
  label: string
  href?: string
}

const SAFE = /^https?:\/\//i

/** The links of a run, which are texts or objects with a title and an address. */
export function linksOf(run: Run): RunLink[] {
  const links: unknown = run.links
  return (Array.isArray(links) ? (links as unknown[]) : links ? [links] : []).map((link) => {
    if (typeof link !== 'object' || link === null) return named(text(link), text(link))
    const { url, href, title, label, name } = link as Record<string, unknown>
    const address = text(url ?? href)
    return named(text(title ?? label ?? name) || address || JSON.stringify(link), address)
  })
}

const named = (label: string, address: string): RunLink => (SAFE.test(address) ? { label, href: address } : { label: address && address !== label ? `${label}: ${address}` : label })

/** What a run used, as far as it said: a count that is unknown is absent. */
export interface RunFigures {
  input?: number
  output?: number
  total?: number
  cost?: number
  model?: string
  /** Whether it comes from `usage` or was found among the metrics. */
  origin: 'usage' | 'metrics'
}

/** Tokens and cost that a run reports of itself, in `usage` or else in `metrics`; none where it says nothing. */
export function figuresOf(run: Run): RunFigures | undefined {
  const usage: unknown = run.usage
  if (typeof usage === 'object' && usage !== null) {
    const { inputTokens, outputTokens, totalTokens, cost, model } = usage as Record<string, unknown>
    return { ...found({ input: inputTokens, output: outputTokens, total: totalTokens, cost }), ...(typeof model === 'string' && model ? { model } : {}), origin: 'usage' }
  }
  const metrics = (run.metrics ?? {}) as Record<string, unknown>
  const figures = found({ input: metrics.inputTokens, output: metrics.outputTokens, total: metrics.totalTokens ?? metrics.tokens, cost: metrics.cost })
  return Object.keys(figures).length ? { ...figures, origin: 'metrics' } : undefined
}

function found(values: Record<'input' | 'output' | 'total' | 'cost', unknown>): Partial<Record<'input' | 'output' | 'total' | 'cost', number>> {
  return Object.fromEntries(Object.entries(values).filter((pair): pair is [string, number] => typeof pair[1] === 'number'))
}
