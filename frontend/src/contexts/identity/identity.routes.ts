import type { RouteRecordRaw } from 'vue-router'

export const identityRoutes: RouteRecordRaw[] = [
  { path: '/people', name: 'people', component: () => import('./PeoplePage.vue'), meta: { title: 'people.title', needs: 'administer' } },
  { path: '/settings', name: 'settings', component: () => import('./SettingsPage.vue'), meta: { title: 'identity.settings' } },
  { path: '/connect', name: 'connect', component: () => import('./ConnectPage.vue'), meta: { title: 'identity.connect' } },
]
