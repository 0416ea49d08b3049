import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import { onSignedOut } from '@/api/client'
import { identityRoutes } from '@/contexts/identity/identity.routes'
import { useIdentity } from '@/contexts/identity/identity.store'
import type { Permission } from '@/contexts/identity/permissions'
import { insightsRoutes } from '@/contexts/insights/insights.routes'
import { ledgerRoutes } from '@/contexts/ledger/ledger.routes'
import { operationsRoutes } from '@/contexts/operations/operations.routes'
import { profilesRoutes } from '@/contexts/profiles/profiles.routes'
import { projectsRoutes } from '@/contexts/projects/projects.routes'
import { runsRoutes } from '@/contexts/runs/runs.routes'
import { usageRoutes } from '@/contexts/usage/usage.routes'

import { say } from './i18n'

declare module 'vue-router' {
  interface RouteMeta {
    /** Key of the page's name, for the title of the window and the breadcrumbs. */
    title?: string
    /** Name of the route that the page is below of. */
    parent?: string
    /** Whether nobody needs to be signed in. */
    isOpen?: boolean
    /** What it takes to see the page. */
    needs?: Permission
  }
}

const pages: RouteRecordRaw[] = [
  ...insightsRoutes,
  ...projectsRoutes,
  ...runsRoutes,
  ...profilesRoutes,
  ...usageRoutes,
  ...ledgerRoutes,
  ...operationsRoutes,
  ...identityRoutes,
  { path: '/:rest(.*)*', name: 'not-found', component: () => import('./NotFoundPage.vue'), meta: { title: 'app.notFound.title' } },
]

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    {
      path: '/login',
      name: 'sign-in',
      alias: '/sign-in',
      component: () => import('@/contexts/identity/SignInPage.vue'),
      meta: { title: 'identity.signIn', isOpen: true },
    },
    { path: '/join', name: 'join', component: () => import('@/contexts/identity/JoinPage.vue'), meta: { title: 'people.join.title', isOpen: true } },
    { path: '/', component: () => import('./AppShell.vue'), children: pages },
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

/** A path of this console to return to; never another site. */
export function safeReturn(wanted: unknown): string {
  return typeof wanted === 'string' && /^\/(?![/\\])/.test(wanted) && !wanted.startsWith('/login') ? wanted : '/'
}

router.beforeEach(async (to) => {
  const isSignedIn = await useIdentity().isSignedIn()
  if (to.name === 'sign-in') return isSignedIn ? safeReturn(to.query.return) : true
  if (!isSignedIn && !to.meta.isOpen) return { name: 'sign-in', query: to.fullPath === '/' ? {} : { return: to.fullPath } }
  return true
})

router.afterEach((to) => {
  const title = to.meta.title && say(to.meta.title)
  document.title = title ? `${title} · PilotDeck` : 'PilotDeck'
})

onSignedOut(() => {
  const identity = useIdentity()
  if (identity.account) identity.expire()
})

/** Leads to the sign-in whenever the person signs out, in whichever tab. */
export function leaveWithSession() {
  useIdentity().onOut(() => void router.replace({ name: 'sign-in' }))
}
