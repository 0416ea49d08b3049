import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

import type { ApiFailure } from '@/api/client'

import { newestFirst, together, type Entry, type Stretch } from './timeline'

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
  /** Forgets the oldest entries, so that about so many of the newest stay; they are read again when somebody wants them. */
  trim: (most: number) => void
  stop: () => void
}

export function usePaged<Cursor>(read: (limit: number, before: Cursor | undefined, signal: AbortSignal, since?: string) => Promise<Page<Cursor>>): Paged {
  const stretch = shallowRef<Stretch>({ entries: [], isComplete: false })
  const error = shallowRef<ApiFailure>()
  const isLoaded = ref(false)
  const controller = new AbortController()
  let cursor: Cursor | undefined
  let queue = Promise.resolve()
  /** Where pages ended: what is older can be asked for from there. By the key of the oldest entry of a page. */
  let ends = new Map<string, Cursor>()
  /** A reading of what is new that has not begun: whoever asks meanwhile is served by it, too. */
  let waiting: { since?: string } | undefined

  const keep = (entries: Entry[], isComplete = stretch.value.isComplete) => {
    stretch.value = { entries, isComplete }
    isLoaded.value = true
    error.value = undefined
  }

  const note = ({ entries, next }: Page<Cursor>) => {
    const oldest = entries.reduce<Entry | undefined>((last, entry) => (last && newestFirst(entry, last) < 0 ? last : entry), undefined)
    if (oldest && next !== null) ends.set(oldest.key, next)
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
      note(page)
      keep(together(stretch.value.entries, page.entries), page.next === null)
    })

  const newest = (from?: string) => {
    if (waiting) {
      waiting.since = waiting.since && from && (from < waiting.since ? from : waiting.since)
      return queue
    }
    waiting = { since: from }
    return inTurn(async () => {
      const since = waiting?.since
      waiting = undefined
      if (!isLoaded.value) return
      const known = new Set(stretch.value.entries.map(({ key }) => key))
      const fresh: Entry[] = []
      let before: Cursor | undefined
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const page = await read(FIRST, before, controller.signal, since)
        note(page)
        fresh.push(...page.entries)
        if (page.next === null || page.entries.some(({ key }) => known.has(key))) return keep(together(stretch.value.entries, fresh))
        before = page.next
      }
      cursor = before
      keep(together([], fresh), false)
    })
  }

  function trim(most: number) {
    const { entries } = stretch.value
    if (entries.length <= most) return
    const place = entries.findLastIndex(({ key }, index) => index < most && index >= FIRST && ends.has(key))
    const last = entries[place]
    if (!last) return
    cursor = ends.get(last.key)
    const kept = entries.slice(0, place + 1)
    const keys = new Set(kept.map(({ key }) => key))
    ends = new Map([...ends].filter(([key]) => keys.has(key)))
    keep(kept, false)
  }

  return {
    stretch,
    isLoaded,
    error,
    more,
    newest,
    put: (entries) => {
      if (isLoaded.value) keep(together(stretch.value.entries, entries))
    },
    trim: (most) => void inTurn(async () => trim(most)),
    stop: () => controller.abort(),
  }
}
