import { onScopeDispose, shallowRef } from 'vue'

/** A thing on its way: where the pointer is, and where it would land. */
export interface Dragged {
  id: string
  label: string
  x: number
  y: number
  zone?: string
  before?: string
  after?: string
}

/** A press becomes a drag after this way, in pixels. */
const THRESHOLD_PX = 5
/** So near to the edge of a list it scrolls, and so fast per frame. */
const EDGE_PX = 48
const SCROLL_PX = 12

interface Box {
  id: string
  left: number
  right: number
  top: number
  bottom: number
}

/**
 * Between which two of the boxes a point lies, in reading order; the boxes stand below each other or in rows. The point
 * belongs before the first box that lies behind it.
 */
export function gapAt(boxes: Box[], x: number, y: number, isGrid: boolean): { before?: string; after?: string } {
  const next = boxes.find((box) => (isGrid ? y < box.top || (y <= box.bottom && x < (box.left + box.right) / 2) : y < (box.top + box.bottom) / 2))
  return next ? { before: next.id } : { after: boxes.at(-1)?.id }
}

/**
 * Dragging by mouse, pen or finger, also in lists that keep only their visible part on the page: a library that moves
 * elements of the page would lose them there. Zones carry `data-zone` (and `data-grid`), their things `data-drag`.
 */
export function useDragging(drop: (dragged: Dragged) => void) {
  const dragged = shallowRef<Dragged>()
  let stop: (() => void) | undefined

  function follow(event: PointerEvent) {
    const now = dragged.value
    if (!now) return
    const zone = document.elementsFromPoint(event.clientX, event.clientY).map((element) => element.closest<HTMLElement>('[data-zone]')).find(Boolean)
    const boxes = [...(zone?.querySelectorAll<HTMLElement>('[data-drag]') ?? [])]
      .map((element) => ({ id: element.dataset.drag ?? '', element: element.getBoundingClientRect() }))
      .filter(({ id }) => id !== now.id)
      .map(({ id, element: { left, right, top, bottom } }) => ({ id, left, right, top, bottom }))
      .sort((one, other) => one.top - other.top || one.left - other.left)
    const gap = zone ? gapAt(boxes, event.clientX, event.clientY, zone.dataset.grid !== undefined) : {}
    dragged.value = { id: now.id, label: now.label, x: event.clientX, y: event.clientY, zone: zone?.dataset.zone, ...gap }
  }

  /** Begins with a press on a thing; nothing happens before the pointer moves. */
  function press(event: PointerEvent, id: string, label: string) {
    if (event.button !== 0 || stop) return
    const [x, y] = [event.clientX, event.clientY]
    let frame = 0
    const scroll = () => {
      const now = dragged.value
      if (!now) return
      for (const element of document.elementsFromPoint(now.x, now.y).flatMap((each) => each.closest<HTMLElement>('[data-scroll]') ?? [])) {
        const box = element.getBoundingClientRect()
        const step = (from: number, to: number, at: number) => (at < from + EDGE_PX ? -SCROLL_PX : at > to - EDGE_PX ? SCROLL_PX : 0)
        element.scrollBy(step(box.left, box.right, now.x), step(box.top, box.bottom, now.y))
        break
      }
      frame = requestAnimationFrame(scroll)
    }
    const move = (moved: PointerEvent) => {
      if (!dragged.value) {
        if (Math.hypot(moved.clientX - x, moved.clientY - y) < THRESHOLD_PX) return
        dragged.value = { id, label, x, y }
        document.body.style.userSelect = 'none'
        frame = requestAnimationFrame(scroll)
      }
      moved.preventDefault()
      follow(moved)
    }
    const end = (isDropped: boolean) => {
      const last = dragged.value
      stop?.()
      if (!last) return
      // The click that ends a drag is none: it would open what was dragged.
      const swallow = (click: Event) => {
        click.stopPropagation()
        click.preventDefault()
      }
      addEventListener('click', swallow, { capture: true, once: true })
      setTimeout(() => removeEventListener('click', swallow, { capture: true }), 0)
      if (isDropped && last.zone !== undefined) drop(last)
    }
    const up = () => end(true)
    const cancel = () => end(false)
    const key = (pressed: KeyboardEvent) => {
      if (pressed.key === 'Escape') cancel()
    }
    stop = () => {
      cancelAnimationFrame(frame)
      document.body.style.userSelect = ''
      dragged.value = undefined
      removeEventListener('pointermove', move)
      removeEventListener('pointerup', up)
      removeEventListener('pointercancel', cancel)
      removeEventListener('keydown', key)
      stop = undefined
    }
    addEventListener('pointermove', move, { passive: false })
    addEventListener('pointerup', up)
    addEventListener('pointercancel', cancel)
    addEventListener('keydown', key)
  }

  onScopeDispose(() => stop?.())
  return { dragged, press }
}
