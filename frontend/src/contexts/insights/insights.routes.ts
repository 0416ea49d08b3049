import type { RouteRecordRaw } from 'vue-router'

export const insightsRoutes: RouteRecordRaw[] = [
  { path: '', name: 'overview', component: () => import('./OverviewPage.vue'), meta: { title: 'insights.overview' } },
]
