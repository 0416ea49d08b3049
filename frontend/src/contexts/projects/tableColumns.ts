import { useElementSize } from '@vueuse/core'
import { computed, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import type { SortKey } from './ordering'

/** A column of the table; its width is a class. */
interface Column { key: SortKey | 'id'; width: string; narrow?: string; isNumber?: boolean }

/** The room, in pixels, that all columns need. */
const WIDE_PX = 1368

const COLUMNS: Column[] = [
  { key: 'name', width: 'w-60', narrow: 'w-57' },
  { key: 'id', width: 'w-22' },
  { key: 'status', width: 'w-30' },
  { key: 'priority', width: 'w-26' },
  { key: 'category', width: 'w-32', narrow: 'w-26' },
  { key: 'progress', width: 'w-20', narrow: 'w-18', isNumber: true },
  { key: 'tags', width: 'w-34', narrow: 'w-30' },
  { key: 'budget', width: 'w-26', isNumber: true },
  { key: 'spent', width: 'w-28', isNumber: true },
  { key: 'earned', width: 'w-26', isNumber: true },
  { key: 'updated', width: 'w-25', narrow: 'w-23' },
]

const NARROW_COLUMNS = COLUMNS.filter(({ key }) => key !== 'id').map((column) => ({ ...column, width: column.narrow ?? column.width }))

/** The columns that there is room for. The id gives way first: the menu of a row copies it too. */
export function useColumns(table: Ref<HTMLElement | undefined>) {
  const { width } = useElementSize(table, { width: WIDE_PX, height: 0 })
  const isNarrow = computed(() => width.value < WIDE_PX)
  return { isNarrow, columns: computed(() => (isNarrow.value ? NARROW_COLUMNS : COLUMNS)) }
}

/** What stands over the columns. */
export function useColumnTitles() {
  const { t } = useI18n()
  return computed<Record<SortKey | 'id', string>>(() => ({
    manual: t('projects.sort.manual'),
    id: t('projects.list.id'),
    name: t('projects.fields.name'),
    status: t('projects.fields.status'),
    priority: t('projects.fields.priority'),
    category: t('projects.fields.category'),
    progress: t('projects.fields.progress'),
    tags: t('projects.fields.tags'),
    budget: t('projects.fields.budget'),
    spent: t('projects.money.spent'),
    earned: t('projects.fields.revenue'),
    updated: t('projects.fields.updatedAt'),
  }))
}
