import { defineConfig } from 'vitest/config'

/** The package as a user gets it: slower, and in need of the registry. */
export default defineConfig({
  test: { include: ['test/package/*.package.ts'], testTimeout: 300_000, hookTimeout: 300_000 }
})
