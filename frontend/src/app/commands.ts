import { onScopeDispose, shallowReactive, watchEffect } from 'vue'

/** Something that a person can do by a key, in the palette, or both. */
export interface Command {
  id: string
  label: string
  icon: string
  /** Keys as Nuxt UI writes them: `c`, `meta_k`, `g-p`. */
  keys?: string
  /** Heading in the palette and in the map of keys. */
  group: 'create' | 'selection' | 'page' | 'general'
  run: () => void
}

const commands = shallowReactive(new Map<string, Command>())

/** The commands of the page that is shown. */
export const pageCommands = commands

/** Offers commands as long as the caller's scope lives, named in the language of the moment; one of the same id is replaced. */
export function useCommands(offered: () => Command[]) {
  const own = new Map<string, Command>()
  watchEffect(() => offered().forEach((command) => {
    own.set(command.id, command)
    commands.set(command.id, command)
  }))
  onScopeDispose(() => own.forEach((command, id) => {
    if (commands.get(id) === command) commands.delete(id)
  }))
}
