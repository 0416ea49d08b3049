import type { Capability } from './capabilities.api'

/** What of a run may say which capabilities it used. */
interface Evidence {
  meta?: unknown
  capabilities?: unknown
}

const texts = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(texts)
  if (typeof value === 'object' && value !== null) {
    const { id, name } = value as { id?: unknown; name?: unknown }
    return [...texts(id), ...texts(name)]
  }
  return []
}

/** The capabilities that a run says it used, by id or name; agents have no agreed place for it. */
export function namedBy(run: Evidence): string[] {
  const meta = (typeof run.meta === 'object' && run.meta !== null ? run.meta : {}) as Record<string, unknown>
  return [run.capabilities, meta.capabilities, meta.capability, meta.capabilityId].flatMap(texts)
}

/** How many of the runs name a capability. */
export function usesOf({ id, name }: Pick<Capability, 'id' | 'name'>, runs: readonly Evidence[]): number {
  return runs.filter((run) => namedBy(run).some((text) => text === id || text === name)).length
}
