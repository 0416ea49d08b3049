import { useLocalStorage, type RemovableRef } from '@vueuse/core'

/** A setting of this browser, kept under `pilotdeck.<name>` and shared by its tabs. */
export function remembered<T extends string | number | boolean | object>(name: string, initial: T): RemovableRef<T> {
  return useLocalStorage<T>(`pilotdeck.${name}`, initial, { mergeDefaults: true, listenToStorageChanges: true })
}
