import type { RouteRecordRaw } from 'vue-router'

export const projectsRoutes: RouteRecordRaw[] = [
  { path: '/projects', name: 'projects', component: () => import('./ProjectListPage.vue'), meta: { title: 'projects.title' } },
  {
    path: '/projects/:projectId',
    component: () => import('./ProjectPage.vue'),
    props: true,
    meta: { title: 'projects.project', parent: 'projects' },
    children: [
      { path: '', name: 'project', component: () => import('./ProjectTimelineTab.vue'), props: true },
      { path: 'runs', name: 'project-runs', component: () => import('./ProjectRunsTab.vue'), props: true },
      { path: 'cost', name: 'project-cost', component: () => import('./ProjectCostTab.vue'), props: true },
      { path: 'history', name: 'project-history', component: () => import('./ProjectHistoryTab.vue'), props: true },
      { path: 'notes', name: 'project-notes', component: () => import('./ProjectNotesTab.vue'), props: true },
      { path: 'settings', name: 'project-settings', component: () => import('./ProjectSettingsTab.vue'), props: true },
    ],
  },
]
