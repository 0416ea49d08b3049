import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

import type { SortKey } from './ordering'

/** The columns of the table, from the left; their widths are classes. */
export const COLUMNS: { key: SortKey | 'id'; width: string; isNumber?: boolean }[] = [
  { key: 'name', width: 'w-52 sm:w-60' },
  { key: 'id', width: 'w-22' },
  { key: 'status', width: 'w-30' },
  { key: 'priority', width: 'w-26' },
  { key: 'category', width: 'w-32' },
  { key: 'progress', width: 'w-20', isNumber: true },
  { key: 'tags', width: 'w-34' },
  { key: 'budget', width: 'w-26', isNumber: true },
  { key: 'spent', width: 'w-28', isNumber: true },
  { key: 'earned', width: 'w-26', isNumber: true },
  { key: 'updated', width: 'w-25' },
]

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
