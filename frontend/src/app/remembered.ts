import { useLocalStorage, type RemovableRef } from '@vueuse/core'

/** What can be kept: whatever JSON can say of these. */
type Kept = string | number | boolean | object

/**
 * A setting of this browser, kept under `pilotdeck.<name>` and shared by its tabs.
 *
 * What is kept there may be of an older console, or of a person who tried something: a value that is not of the kind of
 * `initial`, or that `isValid` refuses, is as good as none.
 */
export function remembered<T extends Kept>(name: string, initial: T, isValid: (value: T) => boolean = () => true): RemovableRef<T> {
  const read = (raw: string): T => {
    const value = typeof initial === 'string' ? raw : parsed(raw)
    return isLike(value, initial) && isValid(value) ? value : initial
  }
  const write = (value: T) => (typeof value === 'string' ? value : JSON.stringify(value))
  return useLocalStorage<T>(`pilotdeck.${name}`, initial, { serializer: { read, write }, listenToStorageChanges: true })
}

/** A check for {@link remembered}: one of these words. */
export const oneOf = <T extends string>(...words: readonly T[]) => (value: string): value is T => (words as readonly string[]).includes(value)

/** A check for {@link remembered}: a list of texts. */
export const areTexts = (value: unknown[]) => value.every((item) => typeof item === 'string')

function parsed(raw: string): unknown {
  try {
    return JSON.parse(raw)
  } catch {
    return undefined
  }
}

function isLike<T extends Kept>(value: unknown, initial: T): value is T {
  if (typeof value === 'number') return typeof initial === 'number' && Number.isFinite(value)
  return typeof value === typeof initial && value !== null && Array.isArray(value) === Array.isArray(initial)
}
