import { gathered } from './gathered'

export default gathered(import.meta.glob<object>('../**/*.zh.json', { eager: true, import: 'default' }))
