import { fileURLToPath } from 'node:url'

import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { compression, defineAlgorithm } from 'vite-plugin-compression2'
import { defineConfig } from 'vitest/config'

const server = process.env.PILOTDECK_URL ?? 'http://127.0.0.1:8689'

export default defineConfig({
  plugins: [
    vue(),
    ui({
      dts: true,
      autoImport: false,
      components: { dirs: [], dts: 'components.d.ts' },
      colorMode: false,
      ui: {
        colors: { primary: 'teal', neutral: 'slate', success: 'emerald', info: 'sky', warning: 'amber', error: 'rose' },
        // Paler, the second line of an alert would be too hard to read.
        alert: { slots: { description: 'opacity-100' } },
        empty: { defaultVariants: { variant: 'naked' } },
      },
      // Every icon that the sources name is in the bundle: the page asks no other host for anything.
      icon: { clientBundle: { scan: { globInclude: ['src/**/*.{vue,ts}'], globExclude: ['**/*.test.ts'] }, sizeLimitKb: 0 } },
    }),
    // Compressed once, at build time, as far as it goes; the server only chooses.
    compression({ algorithms: [defineAlgorithm('gzip', { level: 9 }), 'brotliCompress'], threshold: 1024 }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  // The specification of the ledger is shown where it is verified.
  server: { proxy: { '/api': { target: server, changeOrigin: false }, '/health': { target: server, changeOrigin: false }, '/metrics': { target: server, changeOrigin: false } }, fs: { allow: ['.', '../docs'] } },
  build: { target: 'es2022', reportCompressedSize: false, chunkSizeWarningLimit: 700 },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
    setupFiles: ['src/testing.ts'],
    server: { deps: { inline: ['@nuxt/ui'] } },
  },
})
