import { computed, type ComputedRef } from 'vue'
import { useNow } from '@vueuse/core'

import { i18n } from '@/app/i18n'
import { oneOf, remembered } from '@/app/remembered'

/** Currencies that a person can have budgets shown in. The ledger keeps amounts without one. */
export const CURRENCIES = ['CNY', 'USD', 'EUR', 'GBP', 'JPY'] as const

/** One of {@link CURRENCIES}. */
export type Currency = (typeof CURRENCIES)[number]

/** In which currency amounts of projects are shown; what models cost is in US dollars. */
export const projectCurrency = remembered<Currency>('currency', 'CNY', oneOf(...CURRENCIES))

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const language = () => (i18n.global.locale.value === 'zh' ? ('zh-CN' as const) : ('en' as const))

const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>()

function kept<T extends Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>(name: string, make: () => T): T {
  const key = `${language()} ${name}`
  const known = formats.get(key) ?? make()
  formats.set(key, known)
  return known as T
}

/** 12345 as `12,345`. */
export function number(value: number, digits = 0): string {
  return kept(`n${digits}`, () => new Intl.NumberFormat(language(), { maximumFractionDigits: digits })).format(value)
}

/** 1234567 as `1.2M`; the exact figure belongs beside it. */
export function compact(value: number): string {
  return kept('c', () => new Intl.NumberFormat(language(), { notation: 'compact', maximumFractionDigits: 1 })).format(value)
}

/** 0.421 as `42%`. */
export function percent(share: number, digits = 0): string {
  return kept(`p${digits}`, () => new Intl.NumberFormat(language(), { style: 'percent', maximumFractionDigits: digits })).format(share)
}

/** What a model cost, in US dollars: fractions of a cent are shown where there is nothing else. */
export function cost(value: number): string {
  const digits = value !== 0 && Math.abs(value) < 0.01 ? 4 : 2
  return money(value, 'USD', digits)
}

/** An amount of a project: budget, cost, revenue. */
export function amount(value: number): string {
  return money(value, projectCurrency.value, Number.isInteger(value) ? 0 : 2)
}

function money(value: number, currency: Currency, digits: number): string {
  const make = () =>
    new Intl.NumberFormat(language(), {
      style: 'currency',
      currency,
      currencyDisplay: 'narrowSymbol',
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    })
  return kept(`m${currency}${digits}`, make).format(value)
}

/** The day and the minute, in the time zone of the browser. */
export function dateTime(time: string): string {
  return inZone('dt', time, { dateStyle: 'medium', timeStyle: 'short' })
}

/** All there is: for hovering. */
export function exactTime(time: string): string {
  return inZone('xt', time, { dateStyle: 'full', timeStyle: 'long' })
}

/** The day. */
export function date(time: string): string {
  return inZone('d', time, { dateStyle: 'medium' })
}

/** The hour, minute and second. */
export function clock(time: string): string {
  return inZone('t', time, { timeStyle: 'medium' })
}

/** `Feb 11`: for axes. A day has no time zone. */
export function shortDay(day: string): string {
  return kept('sd', () => new Intl.DateTimeFormat(language(), { month: 'short', day: 'numeric', timeZone: 'UTC' })).format(new Date(`${day}T00:00:00Z`))
}

function inZone(name: string, time: string, options: Intl.DateTimeFormatOptions): string {
  const at = new Date(time)
  return Number.isNaN(at.getTime()) ? time : kept(name, () => new Intl.DateTimeFormat(language(), options)).format(at)
}

/** `3 minutes ago`, as of `now`. */
export function ago(time: string, now: number): string {
  const seconds = Math.round((new Date(time).getTime() - now) / 1000)
  if (Number.isNaN(seconds)) return time
  const format = kept('r', () => new Intl.RelativeTimeFormat(language(), { numeric: 'auto', style: 'short' }))
  const size = Math.abs(seconds)
  if (size < 10) return format.format(0, 'second')
  if (size < MINUTE) return format.format(seconds, 'second')
  if (size < HOUR) return format.format(Math.round(seconds / MINUTE), 'minute')
  if (size < DAY) return format.format(Math.round(seconds / HOUR), 'hour')
  if (size < 30 * DAY) return format.format(Math.round(seconds / DAY), 'day')
  if (size < 365 * DAY) return format.format(Math.round(seconds / DAY / 30), 'month')
  return format.format(Math.round(seconds / DAY / 365), 'year')
}

/** How the units of durations are written; Chinese ones stand apart from the figures. */
const UNITS = {
  en: { ms: ' ms', s: 's', m: 'm', h: 'h', d: 'd', gap: ' ' },
  'zh-CN': { ms: ' 毫秒', s: ' 秒', m: ' 分', h: ' 小时', d: ' 天', gap: ' ' },
}

/** 3723000 milliseconds as `1h 2m`, in Chinese as `1 小时 2 分`. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return '–'
  const unit = UNITS[language()]
  if (milliseconds < 1000) return `${Math.round(milliseconds)}${unit.ms}`
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < MINUTE) return `${seconds}${unit.s}`
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)}${unit.m}${unit.gap}${seconds % MINUTE}${unit.s}`
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)}${unit.h}${unit.gap}${Math.floor((seconds % HOUR) / MINUTE)}${unit.m}`
  return `${Math.floor(seconds / DAY)}${unit.d}${unit.gap}${Math.floor((seconds % DAY) / HOUR)}${unit.h}`
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** 9826304 as `9.4 MiB`. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const power = Math.min(SIZES.length - 1, value < 1024 ? 0 : Math.floor(Math.log2(value) / 10))
  const figure = value / 1024 ** power
  return `${number(figure, power === 0 || figure >= 100 ? 0 : 1)} ${SIZES[power]}`
}

const minute = useNow({ interval: 15_000 })
const second = useNow({ interval: 1_000 })

/** The time in milliseconds, moving on by itself; all that show it share one timer. */
export function useTicking(pace: 'second' | 'minute' = 'minute'): ComputedRef<number> {
  const source = pace === 'second' ? second : minute
  return computed(() => source.value.getTime())
}
