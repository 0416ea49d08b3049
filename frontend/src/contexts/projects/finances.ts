import { isObject, withTotal } from './fields'
import type { Project, ProjectChange } from './projects.api'
import { read } from './projects.store'

/** One entry of a project's books, as it is kept in the field `orders`. */
export interface FinanceRecord {
  id: string
  title: string
  kind: 'income' | 'expense'
  amount: number
  createdAt: string
  note?: string | null
}

const ID_LETTERS = 8

/** The books of a project. Entries of the first consoles have no kind: theirs is told by where the figure stands. */
export function financeRecords(project: Project): FinanceRecord[] {
  const orders = read(project, 'orders')
  return Array.isArray(orders) ? orders.filter(isObject).map(parsed) : []
}

/** Whether somebody keeps books for this project, be they empty by now. */
export const keepsBooks = (project: Project) => Array.isArray(read(project, 'orders'))

function parsed(entry: Record<string, unknown>): FinanceRecord {
  const [given, cost] = [figure(entry.amount), figure(entry.cost)]
  const isOldExpense = given === 0 && cost > 0
  const kind = entry.kind === 'income' || entry.kind === 'expense' ? entry.kind : isOldExpense ? 'expense' : 'income'
  return {
    ...entry,
    id: text(entry.id),
    title: text(entry.title),
    kind,
    amount: isOldExpense ? cost : given,
    createdAt: text(entry.createdAt),
  }
}

const text = (value: unknown) => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '')
const figure = (value: unknown) => {
  const parsed = typeof value === 'number' ? value : typeof value === 'string' ? Number(value) : 0
  return Number.isFinite(parsed) ? parsed : 0
}

/** A sum without the dust of binary fractions: to the cent. */
export const cents = (value: number) => Math.round(value * 100) / 100

/** What came in, what went out, and what remains. */
export function balance(records: FinanceRecord[]) {
  const of = (kind: FinanceRecord['kind']) => cents(records.filter((record) => record.kind === kind).reduce((sum, { amount }) => sum + amount, 0))
  const [income, expense] = [of('income'), of('expense')]
  return { income, expense, net: cents(income - expense) }
}

/** The change that makes these the books of a project; its cost and revenue are what the books say. */
export function booksChange(project: Project, records: FinanceRecord[]): ProjectChange {
  const { income, expense } = balance(records)
  return { orders: records, cost: withTotal(project.cost, expense), revenue: withTotal(project.revenue, income) }
}

/** A new id as all consoles have made them: `ord-` and eight letters. */
export function recordId(): string {
  const letters = [...crypto.getRandomValues(new Uint8Array(ID_LETTERS))].map((byte) => (byte % 36).toString(36))
  return `ord-${letters.join('')}`
}
