import './design/main.css'

import ui from '@nuxt/ui/vue-plugin'
import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './app/App.vue'
import { applyLanguage, i18n } from './app/i18n'
import { leaveWithSession, router } from './app/router'

async function start() {
  await applyLanguage()
  const app = createApp(App).use(createPinia())
  leaveWithSession()
  app.use(i18n).use(router).use(ui).mount('#app')
}

void start()
