import { expect, test } from 'vitest'

import { figuresOf, isTight, readinessOf } from './health'

const TEXT = `# HELP pilotdeck_ledger_seq The last line of the ledger.
# TYPE pilotdeck_ledger_seq gauge
pilotdeck_ledger_seq 42
pilotdeck_disk_free_bytes 21191872512.0
pilotdeck_backups_kept NaN
pilotdeck_http_requests_total{route="/a",method="GET",status="2xx"} 5
pilotdeck_http_requests_total{route="/a {b}",method="GET",status="5xx"} 2
pilotdeck_http_request_duration_seconds_bucket{le="0.1",route="/a"} 5
# EOF
`

test('figures are read by name, and summed up over their labels', () => {
  const figures = figuresOf(TEXT)

  expect(figures.get('pilotdeck_ledger_seq')).toBe(42)
  expect(figures.get('pilotdeck_disk_free_bytes')).toBe(21_191_872_512)
  expect(figures.get('pilotdeck_http_requests_total:5xx')).toBe(2)
})

test('what was not measured is not there', () => {
  expect(figuresOf(TEXT).has('pilotdeck_backups_kept')).toBe(false)
  expect(figuresOf('<html>').size).toBe(0)
})

test('only a server that says so is ready', () => {
  expect(readinessOf({ ready: false, reasons: ['disk_low', 3] })).toEqual({ ready: false, reasons: ['disk_low'] })
  expect(readinessOf({ success: false })).toBeUndefined()
  expect(readinessOf(undefined)).toBeUndefined()
})

test('a disk is tight when a backup and its proof would not fit', () => {
  expect(isTight(20 * 2 ** 30, 10 * 2 ** 20)).toBe(false)
  expect(isTight(20 * 2 ** 30, 10 * 2 ** 30)).toBe(true)
  expect(isTight(undefined, 1)).toBe(false)
})
