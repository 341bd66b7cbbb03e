/** Runs the tests of the MySQL engine on Oracle's MySQL: `npm run test:mysql`. What is given goes on to vitest. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startMysql } from '../support/servers/mysql.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const TESTS = ['engines/mysql.test.ts', 'mysql', 'strategies', 'revert', 'properties/mysql.test.ts'].map(
  (path) => `test/${path}`
)

const server = await startMysql()
try {
  process.exitCode = await runTests(server.url)
} finally {
  await server.stop()
}

async function runTests(url: string): Promise<number> {
  const child = spawn(process.execPath, [VITEST, 'run', ...TESTS, ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ROWBACK_TEST_MYSQL_URL: url }
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
