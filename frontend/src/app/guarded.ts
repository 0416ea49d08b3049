import { useEventListener } from '@vueuse/core'
import { onScopeDispose } from 'vue'
import { useRouter } from 'vue-router'

/** While `isDirty`, nobody leaves the page without being asked: `ask` is called when another page is wanted. */
export function useGuarded(isDirty: () => boolean, ask: () => void) {
  const stop = useRouter().beforeEach((to, from) => {
    if (to.path === from.path || !isDirty()) return true
    ask()
    return false
  })
  onScopeDispose(stop)
  useEventListener('beforeunload', (event) => {
    if (isDirty()) event.preventDefault()
  })
}
