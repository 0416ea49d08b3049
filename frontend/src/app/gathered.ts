/** One tree of messages out of the files of all contexts: `projects.en.json` is what `t('projects.…')` finds. */
export function gathered(files: Record<string, object>): Record<string, object> {
  return Object.fromEntries(Object.entries(files).map(([path, messages]) => [name(path), messages]))
}

function name(path: string) {
  return path.slice(path.lastIndexOf('/') + 1).split('.')[0] ?? path
}
