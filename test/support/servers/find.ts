import { canInstall, installMariadb } from './install.ts'
import { findMariadbd, startMariadb } from './mariadb.ts'
import type { DatabaseServer } from './private-server.ts'
import { productAt } from './product.ts'

/** The note of a test that was skipped for want of a server. */
export const HOW_TO_PROVIDE =
  'needs a MySQL or MariaDB server: ROWBACK_TEST_MYSQL_URL=mysql://user:password@host npm test, ' +
  'or apt-get install mariadb-server'

/**
 * The server of the tests: the one ROWBACK_TEST_MYSQL_URL names, else a private one of the installed MariaDB, which
 * root installs where it is missing. Null without any; an error in CI.
 */
export async function findServer(): Promise<DatabaseServer | null> {
  const url = process.env.ROWBACK_TEST_MYSQL_URL
  if (url) return givenServer(url)
  if (await findMariadbd()) return startMariadb()
  if (await canInstall()) {
    await installMariadb()
    return startMariadb()
  }
  if (process.env.CI === 'true') throw new Error(`A test ${HOW_TO_PROVIDE}`)
  return null
}

async function givenServer(url: string): Promise<DatabaseServer> {
  const { hostname, port } = new URL(url)
  const product = await productAt(hostname, Number(port || 3306)).catch((cause: unknown) => {
    throw new Error(`ROWBACK_TEST_MYSQL_URL names a server that does not answer: ${hostname}:${port || 3306}`, {
      cause
    })
  })
  return { url, socket: '', product, stop: async () => {} }
}
