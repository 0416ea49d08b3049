/** The columns of the table of runs that not every width has. */
export type RunColumn = 'project' | 'started' | 'tokens' | 'cost' | 'sign'

/** A table of this width in pixels has two lines for each run instead of columns. */
const NARROW = 668
/** What the column of the project takes at least, with its gap. */
const PROJECT = 124

const WIDTHS: Record<RunColumn, string> = {
  project: 'minmax(7rem, 1.2fr)',
  started: '6rem',
  tokens: '4.5rem',
  cost: '4.5rem',
  sign: '6rem',
}

/** How the table looks at a width: which columns there are, and how wide they are. */
export function columnsAt(width: number, hasProject: boolean): { columns: RunColumn[]; template: string; isNarrow: boolean } {
  // Without the column of the project the others have its place.
  const room = hasProject ? width + PROJECT : width
  const isNarrow = width > 0 && room < NARROW
  const optional: [RunColumn, boolean][] = [
    ['project', !hasProject],
    ['started', room >= 884],
    ['tokens', room >= 1052],
    ['cost', room >= 968],
    ['sign', room >= 776],
  ]
  const columns = optional.flatMap(([column, is]) => (is ? [column] : []))
  const has = (column: RunColumn) => (columns.includes(column) ? [WIDTHS[column]] : [])
  const template = isNarrow
    ? ['minmax(0, 1fr)', 'auto', '1.75rem']
    : ['6.5rem', 'minmax(8rem, 2fr)', ...has('project'), 'minmax(6rem, 1fr)', ...has('started'), '5.5rem', ...has('tokens'), ...has('cost'), ...has('sign'), '2rem']
  return { columns, template: template.join(' '), isNarrow }
}
