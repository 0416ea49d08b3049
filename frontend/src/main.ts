import './design/main.css'

import ui from '@nuxt/ui/vue-plugin'
import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './app/App.vue'
import { applyLanguage, i18n } from './app/i18n'
import { router } from './app/router'

async function start() {
  await applyLanguage()
  createApp(App).use(createPinia()).use(i18n).use(router).use(ui).mount('#app')
}

void start()
