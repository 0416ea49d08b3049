import type { Project } from '@/contexts/projects/projects.api'

import type { Run } from './insights.api'

const DAY_MS = 86_400_000

/** How far back a chart may look, in days. */
export const RANGES = [1, 7, 30, 90, 365] as const

/** One of {@link RANGES}. */
export type Range = (typeof RANGES)[number]

/** A run as a bar: where it begins and how long it is, in percent of the chart. */
export interface Bar {
  run: Run
  left: number
  width: number
}

/** A project as a row: since when there is one, and its runs. */
export interface Row {
  project: Project
  left: number
  bars: Bar[]
}

const time = (text: string | null | undefined) => Date.parse(text ?? '')
const begin = (run: Run) => time(run.startedAt) || time(run.createdAt)

/** The shortest range that shows some runs, or else the longest. */
export function fittingRange(runs: Run[], now: number): Range {
  const enough = Math.min(5, runs.length)
  return RANGES.find((days) => runs.filter((run) => begin(run) > now - days * DAY_MS).length >= Math.max(1, enough)) ?? 365
}

/** The projects with their runs of the last `days`, the one with the newest run first; those without any come last. */
export function rows(projects: Project[], runs: Run[], days: Range, now: number, isFinal: (run: Run) => boolean): Row[] {
  const start = now - days * DAY_MS
  const place = (at: number) => Math.min(100, Math.max(0, ((at - start) / (now - start)) * 100))
  const byProject = new Map<string, Bar[]>()
  for (const run of runs) {
    const from = begin(run)
    const ended = time(run.finishedAt) || (isFinal(run) ? time(run.updatedAt) : now)
    if (!run.projectId || !from || ended < start || from > now) continue
    const left = place(from)
    const bars = byProject.get(run.projectId) ?? []
    bars.push({ run, left, width: Math.max(0, place(Math.min(ended, now)) - left) })
    byProject.set(run.projectId, bars)
  }
  const newest = (row: Row) => Math.max(-1, ...row.bars.map(({ left }) => left))
  return projects
    .map((project) => ({ project, left: place(time(project.createdAt) || start), bars: byProject.get(project.id) ?? [] }))
    .sort((one, other) => newest(other) - newest(one))
}

/** The times that the axis names, and where they are in percent. */
export function ticks(days: Range, now: number, count: number): { at: string; left: number; isDay: boolean }[] {
  const start = now - days * DAY_MS
  return Array.from({ length: count }, (_, index) => {
    const left = (index / count) * 100
    return { at: new Date(start + ((now - start) * left) / 100).toISOString(), left, isDay: days > 1 }
  })
}
