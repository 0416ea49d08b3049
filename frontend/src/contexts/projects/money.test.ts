import { expect, test } from 'vitest'

import { booksChange, financeRecords, recordId } from './finances'
import { projectMoney, totalMoney } from './money'
import { aProject } from './projects.fixtures'

const expense = { id: 'ord-1', title: 'Server', kind: 'expense', amount: 10.1, createdAt: '2026-01-01T00:00:00.000Z' }
const income = { id: 'ord-2', title: 'Licence', kind: 'income', amount: 40, createdAt: '2026-01-02T00:00:00.000Z' }

test('finance records win over totals', () => {
  const project = aProject({ orders: [expense, { ...expense, amount: 0.2 }, income], cost: { total: 999 }, revenue: { total: 1 }, actualCost: 7, budget: 10 })

  expect(projectMoney(project)).toMatchObject({ spent: 10.3, spentFrom: 'records', earned: 40, earnedFrom: 'records', net: 29.7, isOver: true })
})

test('without records the total counts, and what was first reported only where there is neither', () => {
  expect(projectMoney(aProject({ cost: { total: 5 }, actualCost: 7 }))).toMatchObject({ spent: 5, spentFrom: 'total' })
  expect(projectMoney(aProject({ actualCost: 7 }))).toMatchObject({ spent: 7, spentFrom: 'reported' })
  expect(projectMoney(aProject({ cost: null, revenue: null }))).toMatchObject({ spent: 0, earned: 0, share: undefined, isOver: false })
})

test('books that are empty by now say that nothing was spent, whatever was reported first', () => {
  expect(projectMoney(aProject({ orders: [], actualCost: 7 })).spent).toBe(0)
})

test('totals add up to the cent', () => {
  const projects = [aProject({ cost: { total: 0.1 }, budget: 1 }), aProject({ cost: { total: 0.2 }, revenue: { total: 3 }, budget: 0.1 })]

  expect(totalMoney(projects)).toEqual({ budget: 1.1, spent: 0.3, earned: 3, net: 2.7, over: 1 })
})

test('entries without a kind are read as the first consoles wrote them', () => {
  const project = aProject({ orders: [{ id: 'a', title: 'old', cost: 5, amount: 0 }, { id: 'b', amount: 3, cost: 5 }, 'nonsense', null] })

  expect(financeRecords(project).map(({ kind, amount }) => [kind, amount])).toEqual([['expense', 5], ['income', 3]])
})

test('the books, the cost and the revenue change together, and what else they hold stays', () => {
  const project = aProject({ cost: { total: 1, cloud: 4 } })

  const change = booksChange(project, financeRecords(aProject({ orders: [expense, income] })))

  expect(change).toEqual({ orders: [expense, income], cost: { total: 10.1, cloud: 4 }, revenue: { total: 40 } })
  expect(recordId()).toMatch(/^ord-[0-9a-z]{8}$/)
})
