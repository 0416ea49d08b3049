import type { RouteRecordRaw } from 'vue-router'

export const operationsRoutes: RouteRecordRaw[] = [
  { path: '/operations', name: 'operations', redirect: { name: 'operations-backups' }, meta: { title: 'operations.title', needs: 'administer' } },
  {
    path: '/operations/backups',
    name: 'operations-backups',
    component: () => import('./BackupsPage.vue'),
    meta: { title: 'operations.backups.title', parent: 'operations', needs: 'administer' },
  },
  {
    path: '/operations/restore',
    name: 'operations-restore',
    component: () => import('./MovePage.vue'),
    meta: { title: 'operations.move.title', parent: 'operations', needs: 'administer' },
  },
  {
    path: '/operations/deploy',
    name: 'operations-deploy',
    component: () => import('./DeployPage.vue'),
    meta: { title: 'operations.deploy.title', parent: 'operations', needs: 'administer' },
  },
  {
    path: '/operations/health',
    name: 'operations-health',
    component: () => import('./HealthPage.vue'),
    meta: { title: 'operations.health.title', parent: 'operations', needs: 'administer' },
  },
]
