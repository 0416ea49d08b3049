import { onScopeDispose, ref, shallowRef, triggerRef, watch } from 'vue'

import { ApiFailure } from '@/api/client'
import { useLines, type Line } from '@/app/connection'

import { follow, insert, matches, type RunList } from './runLines'
import { listRuns, readRun, type RunFilter } from './runs.api'

const FIRST_PAGE = 100
const PAGE = 500
/** Lines that come within this time are shown at once, in milliseconds. */
const GATHER_MS = 100

/** The runs that a filter lets through, page by page, kept true by the stream. */
export function useRunList(filter: () => RunFilter) {
  const list = shallowRef<RunList>(empty())
  const error = shallowRef<ApiFailure>()
  const isLoading = ref(true)
  const isLoadingMore = ref(false)
  let cursor: string | null = null
  let current = new AbortController()
  /** Lines that came while something was fetched: the answer may be older than they are. */
  let heard: Line[] = []
  let isFetching = true
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Fetches as many as there were, so that the place where somebody reads stays. */
  async function reload(isFresh = false) {
    current.abort()
    const mine = (current = new AbortController())
    if (isFresh) {
      list.value = empty()
      isLoading.value = true
    }
    isLoadingMore.value = false
    heard = []
    isFetching = true
    const wanted = Math.max(FIRST_PAGE, isFresh ? 0 : list.value.runs.length)
    const next = empty()
    next.signs = isFresh ? next.signs : new Map(list.value.signs)
    try {
      let from: string | null = null
      do {
        const page = await listRuns(filter(), { limit: Math.min(PAGE, wanted - next.runs.length), ...(from ? { cursor: from } : {}) }, mine.signal)
        add(next, page)
        next.total = page.total
        from = page.next
      } while (from && next.runs.length < wanted)
      if (mine.signal.aborted) return
      cursor = from
      heard.forEach((line) => follow(next, line, filter(), true))
      list.value = next
      error.value = undefined
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure as ApiFailure
    }
    isLoading.value = isFetching = false
  }

  /** Fetches the next older ones. */
  async function more() {
    if (isFetching || !cursor) return
    const mine = current
    heard = []
    isFetching = true
    isLoadingMore.value = true
    try {
      const page = await listRuns(filter(), { limit: PAGE, cursor }, mine.signal)
      if (mine.signal.aborted) return
      cursor = page.next
      add(list.value, page)
      heard.filter(({ operation }) => operation === 'run.updated').forEach((line) => follow(list.value, line, filter()))
      triggerRef(list)
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure as ApiFailure
    }
    isLoadingMore.value = isFetching = false
  }

  /** Shows what was changed in the list, soon. */
  function show() {
    timer ??= setTimeout(() => {
      timer = undefined
      triggerRef(list)
    }, GATHER_MS)
  }

  async function fetchOne(id: string) {
    const run = await readRun(id).then(({ data }) => data, () => undefined)
    if (!run || !matches(run, filter()) || list.value.runs.some((known) => known.id === id)) return
    list.value.total += 1
    insert(list.value, run)
    triggerRef(list)
  }

  useLines(
    (line) => {
      if (isFetching) heard.push(line)
      const wanted = follow(list.value, line, filter())
      if (wanted.kind === 'all') void reload()
      if (wanted.kind === 'run') void fetchOne(wanted.id)
      if (line.runId) show()
    },
    () => void reload(),
  )
  watch(filter, (now, before) => {
    if (JSON.stringify(now) !== JSON.stringify(before)) void reload(true)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    current.abort()
  })
  void reload()
  return { list, error, isLoading, isLoadingMore, reload, more }
}

function empty(): RunList {
  return { runs: [], total: 0, isComplete: false, signs: new Map() }
}

function add(list: RunList, page: Awaited<ReturnType<typeof listRuns>>) {
  const known = new Set(list.runs.map(({ id }) => id))
  list.runs.push(...page.runs.filter(({ id }) => !known.has(id)))
  list.isComplete = page.next === null
  for (const [id, time] of Object.entries(page.signs)) {
    if ((list.signs.get(id) ?? '') < time) list.signs.set(id, time)
  }
}
