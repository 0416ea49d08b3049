import { computed } from 'vue'

import type { Permission } from '@/contexts/identity/permissions'
import { usePermissions } from '@/contexts/identity/usePermissions'

/** A place of the console. */
export interface Place {
  name: string
  title: string
  icon: string
  key: string
  /** What it takes to have something to do there. */
  needs?: Permission
}

/** The places of the sidebar, of the palette and of the keys `G` and a letter. */
export const PLACES: readonly Place[] = [
  { name: 'overview', title: 'insights.overview', icon: 'i-lucide-layout-dashboard', key: 'o' },
  { name: 'projects', title: 'projects.title', icon: 'i-lucide-folder-kanban', key: 'p' },
  { name: 'runs', title: 'runs.title', icon: 'i-lucide-play', key: 'r' },
  { name: 'agents', title: 'profiles.agents', icon: 'i-lucide-bot', key: 'a' },
  { name: 'cost', title: 'usage.cost', icon: 'i-lucide-coins', key: 'c' },
  { name: 'activity', title: 'ledger.activity', icon: 'i-lucide-scroll-text', key: 'l' },
  { name: 'connect', title: 'identity.connect', icon: 'i-lucide-plug', key: 'n' },
  { name: 'people', title: 'people.title', icon: 'i-lucide-users', key: 'u', needs: 'administer' },
  { name: 'operations', title: 'operations.title', icon: 'i-lucide-server-cog', key: 'b', needs: 'administer' },
  { name: 'settings', title: 'identity.settings', icon: 'i-lucide-settings', key: 's' },
]

/** The places that the person who is signed in has something to do at. */
export function usePlaces() {
  const { may } = usePermissions()
  return computed(() => PLACES.filter(({ needs }) => !needs || may(needs)))
}
