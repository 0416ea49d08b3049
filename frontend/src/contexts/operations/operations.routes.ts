import type { RouteRecordRaw } from 'vue-router'

export const operationsRoutes: RouteRecordRaw[] = [
  { path: '/operations', name: 'operations', component: () => import('./OperationsPage.vue'), meta: { title: 'operations.title', needs: 'administer' } },
]
