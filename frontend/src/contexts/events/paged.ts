import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

import type { ApiFailure } from '@/api/client'

import { together, type Entry, type Stretch } from './timeline'

/** What is read at first and whenever something is new: a screen or two. */
const FIRST = 200
/** What is read on. */
const NEXT = 1000
/** After so many pages without meeting what is known, it is cheaper to begin anew. */
const MOST_PAGES = 5

/** One page, in any order; `next` asks for the older ones, null at the end. */
export interface Page<Cursor> {
  entries: Entry[]
  next: Cursor | null
}

/** A list that is read page by page from its newest entry on, and grows at its newer end. */
export interface Paged {
  stretch: ShallowRef<Stretch>
  isLoaded: Ref<boolean>
  error: ShallowRef<ApiFailure | undefined>
  /** Reads the next older page. */
  more: () => Promise<void>
  /** Reads what came since: since that time, or since what is known. */
  newest: (since?: string) => Promise<void>
  /** Puts single entries in, or anew. */
  put: (entries: Entry[]) => void
  stop: () => void
}

export function usePaged<Cursor>(read: (limit: number, before: Cursor | undefined, signal: AbortSignal, since?: string) => Promise<Page<Cursor>>): Paged {
  const stretch = shallowRef<Stretch>({ entries: [], isComplete: false })
  const error = shallowRef<ApiFailure>()
  const isLoaded = ref(false)
  const controller = new AbortController()
  let cursor: Cursor | undefined
  let queue = Promise.resolve()

  const keep = (entries: Entry[], isComplete = stretch.value.isComplete) => {
    stretch.value = { entries, isComplete }
    isLoaded.value = true
    error.value = undefined
  }

  /** One after the other: a page that is read on must not race one that is new. */
  const inTurn = (work: () => Promise<void>) => {
    queue = queue.then(work).catch((failure: unknown) => {
      if (!controller.signal.aborted) error.value = failure as ApiFailure
    })
    return queue
  }

  const more = () =>
    inTurn(async () => {
      if (stretch.value.isComplete) return
      const page = await read(isLoaded.value ? NEXT : FIRST, cursor, controller.signal)
      cursor = page.next ?? undefined
      keep(together(stretch.value.entries, page.entries), page.next === null)
    })

  const newest = (since?: string) =>
    inTurn(async () => {
      if (!isLoaded.value) return
      const known = new Set(stretch.value.entries.map(({ key }) => key))
      const fresh: Entry[] = []
      let before: Cursor | undefined
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const page = await read(FIRST, before, controller.signal, since)
        fresh.push(...page.entries)
        if (page.next === null || page.entries.some(({ key }) => known.has(key))) return keep(together(stretch.value.entries, fresh))
        before = page.next
      }
      cursor = before
      keep(together([], fresh), false)
    })

  return {
    stretch,
    isLoaded,
    error,
    more,
    newest,
    put: (entries) => {
      if (isLoaded.value) keep(together(stretch.value.entries, entries))
    },
    stop: () => controller.abort(),
  }
}
