const COLUMNS = ['records', 'promptTokens', 'completionTokens', 'totalTokens', 'cacheReadTokens', 'cacheWriteTokens', 'unpricedRecords', 'unpricedTokens', 'cost'] as const

/** Rows of days and keys as CSV (RFC 4180), with a first line that names the columns. */
export function usageCsv(rows: ({ day: string; key: string } & Record<(typeof COLUMNS)[number], number>)[], keyName: string): string {
  const lines = rows.map((row) => [row.day, row.key, ...COLUMNS.map((column) => row[column])])
  return [['day', keyName, ...COLUMNS], ...lines].map((line) => line.map(cell).join(',')).join('\r\n') + '\r\n'
}

/** A cell that a spreadsheet takes for what it is: a text that begins like a formula is not one. */
function cell(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

/** Hands a text to the person as a file. */
export function download(name: string, text: string, type: string) {
  const address = URL.createObjectURL(new Blob([text], { type }))
  const link = Object.assign(document.createElement('a'), { href: address, download: name })
  link.click()
  URL.revokeObjectURL(address)
}
