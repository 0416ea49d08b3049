import { useVirtualizer } from '@tanstack/vue-virtual'
import { useEventListener, useResizeObserver } from '@vueuse/core'
import { computed, ref, shallowRef, watch, watchEffect, type Ref } from 'vue'

import type { Row } from './timeline.rows'

const HEIGHTS = { day: 36, group: 44, entry: 44 }
/** Rows beyond the screen that are kept ready. */
const BEYOND = 8
/** So many rows before the end of what was read, more is read. */
const BEFORE_END = 20
/** A finger's breadth is not "scrolled down". */
const TOP_PX = 48

/** The rows of a long list that are on the screen. The list scrolls with the page that it stands in. */
export function useVirtualRows(rows: Readonly<Ref<Row[]>>, on: { onTop: (isTop: boolean) => void; onEnd: () => void }) {
  const element = ref<HTMLElement>()
  const scroller = shallowRef<HTMLElement | null>(null)
  const margin = ref(0)

  const virtualizer = useVirtualizer(
    computed(() => ({
      count: rows.value.length,
      getScrollElement: () => scroller.value,
      estimateSize: (index: number) => HEIGHTS[rows.value[index]?.kind ?? 'entry'],
      getItemKey: (index: number) => rows.value[index]?.key ?? index,
      overscan: BEYOND,
      scrollMargin: margin.value,
    })),
  )

  /** Where the list begins in what scrolls; it moves when what is above it grows. */
  function place() {
    if (element.value && scroller.value) margin.value = Math.round(element.value.getBoundingClientRect().top - scroller.value.getBoundingClientRect().top + scroller.value.scrollTop)
  }
  watch(element, (now) => {
    scroller.value = now ? scrolling(now) : null
    place()
  })
  useResizeObserver(() => scroller.value?.firstElementChild as HTMLElement | undefined, place)
  useEventListener(scroller, 'scroll', () => {
    on.onTop((scroller.value?.scrollTop ?? 0) <= Math.max(TOP_PX, margin.value - (scroller.value?.clientHeight ?? 0) / 2))
  }, { passive: true })

  const items = computed(() =>
    virtualizer.value.getVirtualItems().flatMap(({ index, start }) => {
      const row = rows.value[index]
      return row ? [{ row, index, start: start - margin.value }] : []
    }),
  )
  watchEffect(() => {
    const last = items.value[items.value.length - 1]
    if (rows.value.length === 0 || (last && last.index >= rows.value.length - BEFORE_END)) on.onEnd()
  }, { flush: 'post' })

  return {
    element,
    items,
    total: computed(() => virtualizer.value.getTotalSize()),
    measure: (row: unknown) => {
      if (row instanceof HTMLElement) virtualizer.value.measureElement(row)
    },
    show: (index: number) => virtualizer.value.scrollToIndex(index, { align: 'auto' }),
    top: () => scroller.value?.scrollTo({ top: 0 }),
  }
}

function scrolling(element: HTMLElement): HTMLElement {
  let parent = element.parentElement
  while (parent && !/auto|scroll/.test(getComputedStyle(parent).overflowY)) parent = parent.parentElement
  return parent ?? document.documentElement
}
