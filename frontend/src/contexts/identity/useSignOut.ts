import { useI18n } from 'vue-i18n'

import { useNotices } from '@/app/notices'

import { useIdentity } from './identity.store'

/** The way out. */
export function useSignOut() {
  const { t } = useI18n()
  const identity = useIdentity()
  const notices = useNotices()
  return async () => {
    try {
      await identity.signOut()
      notices.done(t('identity.signedOut'))
    } catch (error) {
      notices.failed(error)
    }
  }
}
