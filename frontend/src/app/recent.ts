import { areTexts, remembered } from './remembered'

const MOST = 6

/** Ids of the projects that were looked at last, the newest first. */
export const recentProjects = remembered<string[]>('recent', [], areTexts)

/** Remembers that a project was looked at. */
export function visited(id: string) {
  recentProjects.value = [id, ...recentProjects.value.filter((known) => known !== id)].slice(0, MOST)
}
