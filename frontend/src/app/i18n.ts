import { createI18n } from 'vue-i18n'
import { computed } from 'vue'

import { oneOf, remembered } from './remembered'

/** The languages of the console. */
export const LANGUAGES = ['en', 'zh'] as const

/** One of {@link LANGUAGES}. */
export type Language = (typeof LANGUAGES)[number]

const sources = {
  en: () => import('./messages.en'),
  zh: () => import('./messages.zh'),
}

const wish = remembered<Language | 'auto'>('language', 'auto', oneOf('auto', ...LANGUAGES))

/** The language of the browser, if the console speaks it. */
function ofBrowser(): Language {
  const first = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === 'zh' || tag === 'en')
  return (first as Language | undefined) ?? 'en'
}

export const i18n = createI18n({
  legacy: false,
  locale: 'en' as Language,
  fallbackLocale: 'en',
  missingWarn: import.meta.env.DEV,
  fallbackWarn: false,
  messages: {} as Record<Language, Record<string, never>>,
})

/** What code outside of components needs of the translator; its own types are too deep for the compiler. */
const translator = i18n.global as unknown as { t: (path: string, values: object) => string; te: (path: string) => boolean }

/** The message at `path`; for code outside of components. */
export const say = (path: string, values: object = {}): string => translator.t(path, values)

/** Whether there is a message at `path`. */
export const canSay = (path: string): boolean => translator.te(path)

/** Shows the console in the language that was chosen, or that of the browser. */
export async function applyLanguage() {
  const language = wish.value === 'auto' ? ofBrowser() : wish.value
  const { default: messages } = await sources[language]()
  i18n.global.setLocaleMessage(language, messages as never)
  i18n.global.locale.value = language
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
}

/** The chosen language, for the settings; `auto` is the browser's. */
export function useLanguage() {
  return {
    wish: computed({
      get: () => wish.value,
      set: (language: Language | 'auto') => {
        wish.value = language
        void applyLanguage()
      },
    }),
    language: computed(() => i18n.global.locale.value as Language),
  }
}
