import { onScopeDispose, ref, shallowRef, watch } from 'vue'

import { ApiFailure } from '@/api/client'
import { useLines } from '@/app/connection'

import { listLines, type Line, type LineFilter } from './ledger.api'

const PAGE = 200
/** Who searches for what the server does not search by reads much and sees little. */
const LARGE_PAGE = 2_000
/** More than these nobody keeps who looks at the newest ones. */
const MOST = 10_000
/** Lines that come within this time are shown at once, in milliseconds. */
const GATHER_MS = 250

/** Whether the filters that the server knows let a line through. */
export function passes(line: Line, filter: LineFilter): boolean {
  return (
    (!filter.projectId || line.projectId === filter.projectId) &&
    (!filter.subjectId || line.subjectId === filter.subjectId) &&
    (filter.operations.length === 0 || filter.operations.includes(line.operation))
  )
}

/**
 * The ledger, newest line first, backwards page by page and forwards by the stream. While `isHeld` (somebody reads further
 * down) new lines wait, so that nothing moves under the eyes; while `isSearching` more is fetched at a time.
 */
export function useLedger(filter: () => LineFilter, isHeld: () => boolean, isSearching: () => boolean) {
  const lines = shallowRef<Line[]>([])
  const waiting = shallowRef<Line[]>([])
  /** The newest line when the page was filled: later ones came while somebody looked on. */
  const bornBefore = ref(0)
  const error = shallowRef<ApiFailure>()
  const isLoading = ref(true)
  const isLoadingMore = ref(false)
  const isComplete = ref(false)
  let before: number | undefined
  let current = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let heard: Line[] = []
  /** Whether lines that waited were forgotten. */
  let isOverflown = false

  async function reload(isFresh = false) {
    current.abort()
    const mine = (current = new AbortController())
    if (isFresh) {
      lines.value = []
      isLoading.value = true
    }
    isLoadingMore.value = false
    try {
      const stretch = await listLines(filter(), undefined, PAGE, mine.signal)
      if (mine.signal.aborted) return
      const newest = stretch.lines[0]?.seq ?? 0
      // What the stream brought meanwhile may be newer than the answer.
      const later = [...waiting.value, ...lines.value].filter(({ seq }) => seq > newest)
      lines.value = [...later, ...stretch.lines]
      waiting.value = []
      bornBefore.value = newest
      before = stretch.before ?? undefined
      isComplete.value = stretch.before === null
      error.value = undefined
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure as ApiFailure
    }
    isLoading.value = false
  }

  /** Fetches the next older lines. */
  async function more() {
    if (isLoadingMore.value || isLoading.value || isComplete.value) return
    const mine = current
    isLoadingMore.value = true
    try {
      const stretch = await listLines(filter(), before, isSearching() ? LARGE_PAGE : PAGE, mine.signal)
      if (mine.signal.aborted) return
      lines.value = [...lines.value, ...stretch.lines]
      before = stretch.before ?? undefined
      isComplete.value = stretch.before === null
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure as ApiFailure
    }
    isLoadingMore.value = false
  }

  /** Shows the lines that waited. */
  function release() {
    if (isOverflown) {
      isOverflown = false
      waiting.value = []
      return void reload()
    }
    const newest = lines.value[0]?.seq ?? 0
    lines.value = [...waiting.value.filter(({ seq }) => seq > newest), ...lines.value]
    waiting.value = []
    // A page that stays open for days does not grow; what is forgotten is read again by whoever scrolls there.
    if (lines.value.length <= MOST || isLoadingMore.value || isSearching()) return
    lines.value = lines.value.slice(0, MOST / 2)
    before = lines.value.at(-1)?.seq
    isComplete.value = false
  }

  function arrive() {
    timer = undefined
    const newest = waiting.value[0]?.seq ?? lines.value[0]?.seq ?? 0
    const fresh = heard.filter(({ seq }) => seq > newest).sort((left, right) => right.seq - left.seq)
    heard = []
    waiting.value = [...fresh, ...waiting.value]
    if (!isHeld()) release()
    // So much more than anybody reads: whoever looks up begins anew.
    else if (waiting.value.length > MOST) {
      isOverflown = true
      waiting.value = waiting.value.slice(0, MOST / 2)
    }
  }

  useLines(
    (line) => {
      if (!passes(line, filter())) return
      heard.push(line)
      timer ??= setTimeout(arrive, GATHER_MS)
    },
    () => void reload(),
  )
  watch(filter, (now, old) => {
    if (JSON.stringify(now) !== JSON.stringify(old)) void reload(true)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    current.abort()
  })
  void reload()
  return { lines, waiting, bornBefore, error, isLoading, isLoadingMore, isComplete, reload, more, release }
}
