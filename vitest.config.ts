import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    env: { NODE_COMPILE_CACHE: 'node_modules/.cache/compile' },
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
