/** A line of two texts: in both, only in the earlier, only in the later one; or how many equal lines were left out. */
export type DiffLine = { kind: 'same' | 'removed' | 'added'; text: string } | { kind: 'gap'; count: number }

/** Above this many comparisons the texts are shown one after the other. */
const MOST_COMPARISONS = 4_000_000
/** Equal lines that are shown around a difference. */
const AROUND = 2

/** What became of a text, line by line; `undefined` where there is no text. */
export function diffLines(before: string, after: string): DiffLine[] {
  const [old, young] = [before === '' ? [] : before.split('\n'), after === '' ? [] : after.split('\n')]
  let start = 0
  while (start < old.length && start < young.length && old[start] === young[start]) start++
  let end = 0
  while (end < old.length - start && end < young.length - start && old[old.length - 1 - end] === young[young.length - 1 - end]) end++
  const same = (lines: string[]): DiffLine[] => lines.map((text) => ({ kind: 'same', text }))
  return [
    ...same(old.slice(0, start)),
    ...middle(old.slice(start, old.length - end), young.slice(start, young.length - end)),
    ...same(old.slice(old.length - end)),
  ]
}

function middle(old: string[], young: string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: 'removed', text })
  const added = (text: string): DiffLine => ({ kind: 'added', text })
  if (old.length * young.length > MOST_COMPARISONS) return [...old.map(removed), ...young.map(added)]
  const width = young.length + 1
  const lengths = new Uint32Array((old.length + 1) * width)
  const at = (row: number, column: number) => lengths[row * width + column] ?? 0
  for (let row = old.length - 1; row >= 0; row--) {
    for (let column = young.length - 1; column >= 0; column--) {
      lengths[row * width + column] = old[row] === young[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  const result: DiffLine[] = []
  let [row, column] = [0, 0]
  while (row < old.length || column < young.length) {
    const [left, right] = [old[row], young[column]]
    if (left !== undefined && left === right) {
      result.push({ kind: 'same', text: left })
      row++
      column++
    } else if (left !== undefined && (right === undefined || at(row + 1, column) >= at(row, column + 1))) {
      result.push(removed(left))
      row++
    } else if (right !== undefined) {
      result.push(added(right))
      column++
    }
  }
  return result
}

/** Without the equal lines that are far from any difference. */
export function shortened(lines: DiffLine[]): DiffLine[] {
  const isNear = (index: number) => lines.slice(Math.max(0, index - AROUND), index + AROUND + 1).some(({ kind }) => kind !== 'same')
  const result: DiffLine[] = []
  lines.forEach((line, index) => {
    const last = result[result.length - 1]
    if (isNear(index)) result.push(line)
    else if (last?.kind === 'gap') last.count++
    else result.push({ kind: 'gap', count: 1 })
  })
  return result
}

/** Two texts that were both written on top of `base`, in one: what either put in is in, what either took out is out. */
export function combined(base: string, theirs: string, mine: string): string {
  const [left, right] = [edits(diffLines(base, theirs)), edits(diffLines(base, mine))]
  const lines = base === '' ? [] : base.split('\n')
  const result: string[] = []
  for (let place = 0; place <= lines.length; place++) {
    const [one, other] = [left.before.get(place) ?? [], right.before.get(place) ?? []]
    result.push(...one)
    if (one.join('\n') !== other.join('\n')) result.push(...other)
    const line = lines[place]
    if (line !== undefined && !left.removed.has(place) && !right.removed.has(place)) result.push(line)
  }
  return result.join('\n')
}

/** What was put in before which line of the earlier text, and which of its lines were taken out. */
function edits(lines: DiffLine[]) {
  const before = new Map<number, string[]>()
  const removed = new Set<number>()
  let place = 0
  for (const line of lines) {
    if (line.kind === 'added') before.set(place, [...(before.get(place) ?? []), line.text])
    else if (line.kind === 'removed') removed.add(place++)
    else place++
  }
  return { before, removed }
}
