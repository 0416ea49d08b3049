import type { RouteRecordRaw } from 'vue-router'

export const runsRoutes: RouteRecordRaw[] = [
  { path: '/runs', name: 'runs', component: () => import('./RunListPage.vue'), meta: { title: 'runs.title' } },
  { path: '/runs/:runId', name: 'run', component: () => import('./RunPage.vue'), props: true, meta: { title: 'runs.run', parent: 'runs' } },
]
