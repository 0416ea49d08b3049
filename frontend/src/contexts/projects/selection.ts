import { computed, ref, shallowRef } from 'vue'

/** Which of the shown things are chosen, and on which one the keys act. What is not shown is never chosen. */
export function useSelection(shown: () => string[]) {
  const chosen = shallowRef(new Set<string>())
  const active = ref<string>()
  /** Where a range begins. */
  let anchor: string | undefined

  const selected = computed(() => shown().filter((id) => chosen.value.has(id)))
  const set = (ids: Iterable<string>) => {
    chosen.value = new Set(ids)
  }

  function range(from: string, to: string): string[] {
    const ids = shown()
    const [one, other] = [ids.indexOf(from), ids.indexOf(to)]
    return one < 0 || other < 0 ? [to] : ids.slice(Math.min(one, other), Math.max(one, other) + 1)
  }

  return {
    selected,
    active,
    has: (id: string) => chosen.value.has(id),
    isAll: computed(() => selected.value.length > 0 && selected.value.length === shown().length),
    activate(id: string) {
      active.value = id
    },
    toggle(id: string) {
      anchor = id
      active.value = id
      set(chosen.value.has(id) ? [...chosen.value].filter((other) => other !== id) : [...chosen.value, id])
    },
    /** Chooses everything between the last choice and this one. */
    extend(id: string) {
      anchor ??= active.value ?? id
      active.value = id
      set([...chosen.value, ...range(anchor, id)])
    },
    all: () => set(shown()),
    clear: () => {
      anchor = undefined
      set([])
    },
    /** Moves by so many things, and says where to; with `extends` everything on the way is chosen. */
    step(by: number, isExtending = false) {
      const ids = shown()
      const at = active.value === undefined ? -1 : ids.indexOf(active.value)
      const next = ids[at < 0 ? 0 : Math.max(0, Math.min(ids.length - 1, at + by))]
      if (next === undefined) return undefined
      if (isExtending) {
        anchor ??= active.value ?? next
        set([...chosen.value, ...range(anchor, next)])
      } else {
        anchor = undefined
      }
      active.value = next
      return next
    },
  }
}
