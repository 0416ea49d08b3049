import { expect, test } from 'vitest'

import { summarized } from './changes'
import type { Line } from './insights.api'

const line = (projectId: string | null, operation: string, ts: string) => ({ projectId, operation, ts }) as Line

test('lines are counted by project and kind, the project that changed last first', () => {
  const summary = summarized([line('a', 'event.appended', '1'), line('b', 'run.created', '2'), line('a', 'event.appended', '3'), line('a', 'project.updated', '4')])

  expect(summary).toEqual([
    { projectId: 'a', newest: '4', counts: [['event', 2], ['project', 1]] },
    { projectId: 'b', newest: '2', counts: [['run', 1]] },
  ])
})

test('operations that nobody knows are counted, too', () => {
  expect(summarized([line(null, 'moon.landed', '1')])[0]?.counts).toEqual([['other', 1]])
})
