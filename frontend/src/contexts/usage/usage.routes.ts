import type { RouteRecordRaw } from 'vue-router'

export const usageRoutes: RouteRecordRaw[] = [
  { path: '/cost', name: 'cost', component: () => import('./CostPage.vue'), meta: { title: 'usage.cost' } },
]
