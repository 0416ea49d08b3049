import { usePreferredDark } from '@vueuse/core'
import { computed, watchEffect } from 'vue'

import { oneOf, remembered } from './remembered'

/** What a person can choose; `auto` is what the system says. `public/theme.js` reads it before the first paint. */
export type Theme = 'light' | 'dark' | 'auto'

const wish = remembered<Theme>('theme', 'auto', oneOf('light', 'dark', 'auto'))
const systemIsDark = usePreferredDark()
const isDark = computed(() => (wish.value === 'auto' ? systemIsDark.value : wish.value === 'dark'))

watchEffect(() => {
  document.documentElement.classList.toggle('dark', isDark.value)
  document.documentElement.classList.toggle('light', !isDark.value)
})

/** The theme, chosen and as it is. */
export function useTheme() {
  const toggle = () => {
    wish.value = isDark.value ? 'light' : 'dark'
  }
  return { wish, isDark, toggle }
}
