import { defineConfig } from 'vitest/config'

/** Three servers that replicate synchronously: slower, and in need of galera-4 and rsync. */
export default defineConfig({
  test: { include: ['test/cluster/*.cluster.ts'], testTimeout: 180_000, hookTimeout: 180_000 }
})
