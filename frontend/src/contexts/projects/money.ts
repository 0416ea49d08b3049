import { totalIn } from './fields'
import { balance, cents, financeRecords, keepsBooks } from './finances'
import type { Project } from './projects.api'

/** Where a figure comes from: the finance records, the total that somebody wrote, or what was first reported. */
export type MoneyOrigin = 'records' | 'total' | 'reported'

/** The money of a project, each figure with its origin. */
export interface ProjectMoney {
  budget: number
  spent: number
  spentFrom: MoneyOrigin
  earned: number
  earnedFrom: MoneyOrigin
  /** Revenue less cost. */
  net: number
  /** What of the budget is spent; `undefined` without a budget. */
  share: number | undefined
  isOver: boolean
}

/**
 * The money of a project.
 *
 * The server never moves `actualCost` after the creation, so it stands for the cost only where nobody wrote one: neither
 * records nor a total.
 */
export function projectMoney(project: Project): ProjectMoney {
  const records = financeRecords(project)
  const { income, expense } = balance(records)
  const total = totalIn(project.cost)
  const budget = project.budget
  const [spent, spentFrom] = ((): [number, MoneyOrigin] => {
    if (records.some(({ kind }) => kind === 'expense')) return [expense, 'records']
    if (total > 0 || keepsBooks(project)) return [total, 'total']
    return project.actualCost > 0 ? [project.actualCost, 'reported'] : [0, 'total']
  })()
  const hasIncome = records.some(({ kind }) => kind === 'income')
  const earned = hasIncome ? income : totalIn(project.revenue)
  return {
    budget,
    spent,
    spentFrom,
    earned,
    earnedFrom: hasIncome ? 'records' : 'total',
    net: cents(earned - spent),
    share: budget > 0 ? spent / budget : undefined,
    isOver: budget > 0 && spent > budget,
  }
}

/** The money of several projects together. */
export function totalMoney(projects: Project[]) {
  const totals = { budget: 0, spent: 0, earned: 0, net: 0, over: 0 }
  for (const project of projects) {
    const money = projectMoney(project)
    totals.budget += money.budget
    totals.spent += money.spent
    totals.earned += money.earned
    totals.over += money.isOver ? 1 : 0
  }
  return { budget: cents(totals.budget), spent: cents(totals.spent), earned: cents(totals.earned), net: cents(totals.earned - totals.spent), over: totals.over }
}
