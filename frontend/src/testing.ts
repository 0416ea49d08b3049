import ui from '@nuxt/ui/vue-plugin'
import { config } from '@vue/test-utils'
import { createMemoryHistory, createRouter } from 'vue-router'

import { i18n } from './app/i18n'
import messages from './app/messages.en'

i18n.global.setLocaleMessage('en', messages as never)
const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:rest(.*)*', component: { template: '<i />' } }] })
config.global.plugins = [i18n, router, ui]
