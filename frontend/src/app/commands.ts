import { onScopeDispose, shallowReactive } from 'vue'

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

/** Offers commands as long as the caller's scope lives; `offer` again replaces one of the same id. */
export function useCommands(offered: Command[] | (() => Command[])) {
  const list = typeof offered === 'function' ? offered() : offered
  list.forEach((command) => commands.set(command.id, command))
  onScopeDispose(() => list.forEach((command) => {
    if (commands.get(command.id) === command) commands.delete(command.id)
  }))
}
