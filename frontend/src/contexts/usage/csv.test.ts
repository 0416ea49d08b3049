import { expect, test } from 'vitest'

import { usageCsv } from './csv'

const sums = { records: 1, promptTokens: 2, completionTokens: 3, totalTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, unpricedRecords: 0, unpricedTokens: 0, cost: 0.25 }

test('a row is a line under the names of the columns', () => {
  const lines = usageCsv([{ day: '2026-02-11', key: 'sonnet', ...sums }], 'model').split('\r\n')

  expect(lines[0]).toBe('day,model,records,promptTokens,completionTokens,totalTokens,cacheReadTokens,cacheWriteTokens,unpricedRecords,unpricedTokens,cost')
  expect(lines[1]).toBe('2026-02-11,sonnet,1,2,3,5,0,0,0,0,0.25')
})

test('a name can neither break out of its cell nor become a formula', () => {
  const csv = usageCsv([{ day: 'd', key: '=HYPERLINK("http://evil"),x', ...sums }], 'project')

  expect(csv).toContain(`"'=HYPERLINK(""http://evil""),x"`)
})
