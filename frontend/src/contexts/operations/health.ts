import type { Schemas } from '@/api/client'

/** Figures by their names, as the server measured them; those with labels are summed up. */
export type Figures = Map<string, number>

/** Labels have braces in their values, too: those of routes. */
const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/

/** Reads the text format of OpenMetrics; what is not a number was not measured. */
export function figuresOf(text: string): Figures {
  const figures: Figures = new Map()
  const add = (name: string, value: number) => figures.set(name, (figures.get(name) ?? 0) + value)
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? []
    const figure = Number(value)
    if (!name || !Number.isFinite(figure) || name.endsWith('_bucket')) continue
    add(name, figure)
    if (labels.includes('status="5xx"')) add(`${name}:5xx`, figure)
  }
  return figures
}

/** Whether the server can do its work, and why not. */
export type Readiness = Pick<Schemas['ReadyAnswer'], 'ready' | 'reasons'>

/** Reads the answer of `/health/ready`; an older server has none. */
export function readinessOf(answer: unknown): Readiness | undefined {
  const { ready, reasons } = (answer ?? {}) as { ready?: unknown; reasons?: unknown }
  if (typeof ready !== 'boolean') return undefined
  return { ready, reasons: Array.isArray(reasons) ? reasons.filter((reason) => typeof reason === 'string') : [] }
}

/** Under this free room the figure is not calm any more: what a backup and its proof need at least, in copies of the database. */
const COPIES = 3

/** Whether the disk is getting full for a database of this size. */
export function isTight(free: number | undefined, database: number | undefined): boolean {
  return free !== undefined && free < Math.max(512 * 2 ** 20, COPIES * (database ?? 0))
}
