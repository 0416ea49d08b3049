import type { RouteRecordRaw } from 'vue-router'

export const ledgerRoutes: RouteRecordRaw[] = [
  { path: '/activity', name: 'activity', component: () => import('./ActivityPage.vue'), meta: { title: 'ledger.activity' } },
]
