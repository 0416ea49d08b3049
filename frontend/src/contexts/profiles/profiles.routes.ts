import type { RouteRecordRaw } from 'vue-router'

export const profilesRoutes: RouteRecordRaw[] = [
  { path: '/agents', name: 'agents', component: () => import('./AgentsPage.vue'), meta: { title: 'profiles.agents' } },
  {
    path: '/agents/capabilities',
    name: 'capabilities',
    component: () => import('@/contexts/capabilities/CapabilitiesPage.vue'),
    meta: { title: 'capabilities.title', parent: 'agents' },
  },
]
