import { config } from '@vue/test-utils'

import { i18n } from './app/i18n'
import messages from './app/messages.en'

i18n.global.setLocaleMessage('en', messages as never)
config.global.plugins = [i18n]
