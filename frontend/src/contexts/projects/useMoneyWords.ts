import { useI18n } from 'vue-i18n'

import { amount, percent } from '@/design/format'

import type { ProjectMoney } from './money'

/** The money of a project in words: what it is, and where it comes from. */
export function useMoneyWords() {
  const { t } = useI18n()
  const origins = {
    records: () => t('projects.money.fromRecords'),
    total: () => t('projects.money.fromTotal'),
    reported: () => t('projects.money.fromReported'),
  }
  return {
    spent: ({ spent, spentFrom }: ProjectMoney) => `${t('projects.money.spent')}: ${amount(spent)}. ${origins[spentFrom]()}`,
    earned: ({ earned, earnedFrom }: ProjectMoney) => `${t('projects.fields.revenue')}: ${amount(earned)}. ${earnedFrom === 'records' ? t('projects.money.incomeRecords') : t('projects.money.revenueTotal')}`,
    over: ({ spent, budget }: ProjectMoney) => t('projects.money.over', { amount: amount(spent - budget) }),
    share: ({ share }: ProjectMoney) => (share === undefined ? t('projects.money.noBudget') : t('projects.money.share', { share: percent(share) })),
  }
}
