import { computed, reactive, watch, type ComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** An address that refuses to change three times is left alone. */
const ATTEMPTS = 3

/** Filters that a page keeps in its address. */
export interface UrlFilters<N extends string> {
  /** By name; an empty text is no filter. */
  filters: Record<N, string>
  /** Whether any is set. */
  isAny: ComputedRef<boolean>
  /** Sets none of them. */
  clear: () => void
}

/** The filters of these names, read from the query of the address and written to it; the history gets no entry for each letter. */
export function useUrlFilters<N extends string>(names: readonly N[]): UrlFilters<N> {
  const route = useRoute()
  const router = useRouter()
  const own = route.name
  const read = (name: N) => {
    const value = route.query[name]
    return (Array.isArray(value) ? value[0] : value) ?? ''
  }
  const filters = reactive(Object.fromEntries(names.map((name) => [name, read(name)]))) as Record<N, string>
  const differs = () => names.some((name) => filters[name] !== read(name))
  // While it writes, an address that is already older must not undo what was typed since.
  let isWriting = false

  async function write() {
    if (isWriting) return
    isWriting = true
    for (let attempt = 0; attempt < ATTEMPTS && route.name === own && differs(); attempt += 1) {
      const query = { ...route.query, ...Object.fromEntries(names.map((name) => [name, filters[name] || undefined])) }
      await router.replace({ query, hash: route.hash })
    }
    isWriting = false
  }

  watch(filters, () => void write())
  watch(
    () => route.query,
    () => {
      if (isWriting || route.name !== own) return
      for (const name of names) filters[name] = read(name)
    },
  )
  return {
    filters,
    isAny: computed(() => names.some((name) => filters[name] !== '')),
    clear: () => names.forEach((name) => (filters[name] = '')),
  }
}
