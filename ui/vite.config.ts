// Build of the Tidemark web UI. Every URL in the output is relative, so that the same files work
// below any route prefix; the base path is found at run time (src/model/url.ts).
import { defineConfig } from 'vitest/config';

const upstream = process.env.TIDEMARK_URL ?? 'http://127.0.0.1:9090';

export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the policy allows no data: URL
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        manualChunks(id: string): string | undefined {
          if (/node_modules\/(@codemirror|@lezer|@prometheus-io|style-mod|w3c-keyname|crelt|@marijn|lru-cache)/.test(id)) {
            return 'editor';
          }
          if (/node_modules\/(preact|@preact|uplot)/.test(id)) return 'base';
          return undefined;
        },
      },
    },
  },
  server: { host: '127.0.0.1', proxy: { '/api': upstream, '/-/': upstream } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
