import { computed, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { useLive } from '@/app/live'
import { useNotices } from '@/app/notices'

import type { Entry, Source } from './catalog'

/** The entries of a catalogue, live, and what a person does with them. Lines of the ledger about it begin with `word.`. */
export function useCatalog<E extends Entry>(source: Source<E>, word: string) {
  const { t } = useI18n()
  const notices = useNotices()
  const { data, error, isLoading, reload } = useLive({
    load: (signal) => source.list(signal),
    affects: ({ operation }) => operation.startsWith(`${word}.`),
  })
  /** Switches that were turned and are not confirmed, by id. */
  const turned = shallowRef(new Map<string, boolean>())
  const isBusy = ref(false)

  const entries = computed<E[]>(() =>
    (data.value ?? []).map((entry) => {
      const enabled = turned.value.get(entry.id)
      return enabled === undefined || enabled === entry.enabled ? entry : { ...entry, enabled }
    }),
  )

  function turn(id: string, enabled: boolean | undefined) {
    const next = new Map(turned.value)
    if (enabled === undefined) next.delete(id)
    else next.set(id, enabled)
    turned.value = next
  }

  /** Puts an entry to use, or out of it: at once, and back if the server refuses. */
  async function enable(entry: E, enabled: boolean) {
    turn(entry.id, enabled)
    try {
      await source.change(entry.id, { enabled })
      await reload()
    } catch (failure) {
      notices.failed(failure)
    }
    turn(entry.id, undefined)
  }

  async function remove(entry: E) {
    try {
      await source.remove(entry.id)
      await reload()
      // The very document is created again: its id, its fields, its times. The ledger keeps that it was gone.
      notices.done(t('catalog.deleted', { name: entry.name }), () => source.create({ ...entry } as Record<string, unknown>))
    } catch (failure) {
      notices.failed(failure)
    }
  }

  /** Saves a new entry, or changes of one. Throws what the server says, for the form to show. */
  async function save(id: string | undefined, body: Record<string, unknown>): Promise<E> {
    isBusy.value = true
    try {
      const saved = id === undefined ? await source.create(body) : await source.change(id, body)
      await reload()
      notices.done(t('catalog.saved', { name: saved.name }))
      return saved
    } finally {
      isBusy.value = false
    }
  }

  return { data, entries, error, isLoading, isBusy, reload, enable, remove, save }
}
