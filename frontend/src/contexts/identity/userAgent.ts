const PROGRAMS: [RegExp, string][] = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/(?:Firefox|FxiOS)\//, 'Firefox'],
  [/(?:Chrome|Chromium|CriOS)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
]

const named = (text: string, known: [RegExp, string][]) => known.find(([mark]) => mark.test(text))?.[1]

/** What a program says that it is, in few words: a browser and its system, or the program's own name. */
export function programOf(userAgent: string | null | undefined): { program?: string; system?: string } {
  if (!userAgent) return {}
  return { program: named(userAgent, PROGRAMS) ?? userAgent.split(/[\s/(]/)[0] ?? userAgent, system: named(userAgent, SYSTEMS) }
}
