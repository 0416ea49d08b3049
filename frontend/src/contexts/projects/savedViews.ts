import type { LocationQueryRaw } from 'vue-router'

import { remembered } from '@/app/remembered'

/** A way to look at projects that a person gave a name. */
export interface SavedView {
  name: string
  query: LocationQueryRaw
}

const isView = (view: unknown): view is SavedView => {
  const { name, query } = (view ?? {}) as Partial<SavedView>
  return typeof name === 'string' && typeof query === 'object' && query !== null
}

/** The views that were saved in this browser. */
export const savedViews = remembered<SavedView[]>('views', [], (views) => views.every(isView))

const plain = (query: LocationQueryRaw) =>
  JSON.stringify(Object.entries(query).filter(([, value]) => value !== undefined).map(([name, value]) => [name, [value].flat().map(String).sort()] as const).sort(([left], [right]) => (left < right ? -1 : 1)))

/** Whether two addresses show the same. */
export const isSameView = (left: LocationQueryRaw, right: LocationQueryRaw) => plain(left) === plain(right)

/** The views with this one; one of the same name is replaced. */
export const withView = (views: SavedView[], view: SavedView) =>
  views.some(({ name }) => name === view.name) ? views.map((known) => (known.name === view.name ? view : known)) : [...views, view]

/** The views with one under another name, which nobody else has then. */
export const renamedView = (views: SavedView[], name: string, wanted: string) =>
  views.filter((view) => view.name === name || view.name !== wanted).map((view) => (view.name === name ? { ...view, name: wanted } : view))
