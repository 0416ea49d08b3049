import { useToast } from '@nuxt/ui/composables'
import { useI18n } from 'vue-i18n'

import { failureText } from './failures'

const LONG_MS = 8_000

/** Short messages at the edge of the page. */
export function useNotices() {
  const toast = useToast()
  const { t } = useI18n()
  return {
    /** Says what was done; with `undo` it can be taken back for a while. */
    done(title: string, undo?: () => Promise<unknown>) {
      const { id } = toast.add({
        title,
        icon: 'i-lucide-check',
        color: 'success',
        duration: undo ? LONG_MS : undefined,
        actions: undo && [
          {
            label: t('design.undo'),
            icon: 'i-lucide-undo-2',
            color: 'neutral',
            variant: 'outline',
            onClick: () => {
              toast.remove(id)
              undo().then(
                () => toast.add({ title: t('design.undone'), icon: 'i-lucide-undo-2', color: 'neutral' }),
                (error: unknown) => toast.add({ title: failureText(error), icon: 'i-lucide-circle-x', color: 'error' }),
              )
            },
          },
        ],
      })
    },
    /** Says why something was not done; with `again` what a person wrote is not lost with it. */
    failed(error: unknown, again?: () => unknown) {
      const { id } = toast.add({
        title: failureText(error),
        icon: 'i-lucide-circle-x',
        color: 'error',
        duration: again ? 0 : LONG_MS,
        actions: again && [
          {
            label: t('design.retry'),
            icon: 'i-lucide-rotate-cw',
            color: 'neutral',
            variant: 'outline',
            onClick: () => {
              toast.remove(id)
              void again()
            },
          },
        ],
      })
    },
  }
}
