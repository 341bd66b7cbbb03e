import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './ports.ts'
import type { DatabaseServer } from './private-server.ts'
import { startServer, userArgs } from './private-server.ts'
import { findProgram } from './programs.ts'
import type { Sandbox } from './sandbox.ts'
import { createSandbox } from './sandbox.ts'

const run = promisify(execFile)
const REDO_LOG = '--innodb-log-file-size=128M'

/** Starts a private MariaDB server, with an empty password for root. */
export async function startMariadb(options: { extra?: readonly string[] } = {}): Promise<DatabaseServer> {
  const command = await requireMariadbd()
  const sandbox = await createSandbox('mariadb')
  return startServer(sandbox, async () => {
    await installData(sandbox, [REDO_LOG, ...userArgs()])
    const port = await freePort()
    const socket = join(sandbox.folder, 'mysqld.sock')
    const args = [
      ...serverArgs(sandbox, port, socket),
      '--innodb-buffer-pool-size=256M',
      REDO_LOG,
      ...userArgs(),
      ...(options.extra ?? [])
    ]
    return { command, args, port, socket }
  })
}

/** The path of an installed MariaDB server. */
export async function findMariadbd(): Promise<string | null> {
  const mariadbd = await findProgram('mariadbd')
  if (mariadbd) return mariadbd
  const mysqld = await findProgram('mysqld')
  if (!mysqld) return null
  const { stdout } = await run(mysqld, ['--no-defaults', '--version'])
  return stdout.includes('MariaDB') ? mysqld : null
}

/** The path of an installed MariaDB server, or an error that says how to install one. */
export async function requireMariadbd(): Promise<string> {
  const found = await findMariadbd()
  if (!found) throw new Error('No MariaDB server is installed: apt-get install mariadb-server')
  return found
}

/** Makes the data folder of a server. */
export async function installData(sandbox: Sandbox, extra: readonly string[]): Promise<void> {
  const install = (await findProgram('mariadb-install-db', 'mysql_install_db')) ?? 'mariadb-install-db'
  await sandbox.run(install, [
    '--no-defaults',
    `--datadir=${dataFolder(sandbox)}`,
    `--tmpdir=${temporaryFolder(sandbox)}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    ...extra
  ])
}

/** What every MariaDB server of the tests is started with. */
export function serverArgs(sandbox: Sandbox, port: number, socket: string): string[] {
  return [
    '--no-defaults',
    `--datadir=${dataFolder(sandbox)}`,
    `--tmpdir=${temporaryFolder(sandbox)}`,
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--pid-file=${join(sandbox.folder, 'mysqld.pid')}`,
    // A server that starts clears its folder of temporary tables, those of other servers included.
    `--tmpdir=${sandbox.folder}`,
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_general_ci',
    '--skip-name-resolve',
    '--local-infile=1',
    '--innodb-flush-log-at-trx-commit=2'
  ]
}

/** Its own: a server that starts deletes the temporary tables of whoever shares the folder. */
function temporaryFolder(sandbox: Sandbox): string {
  const folder = join(sandbox.folder, 'tmp')
  mkdirSync(folder, { recursive: true })
  // The nodes of the cluster run as nobody.
  chmodSync(folder, 0o1777)
  return folder
}

function dataFolder(sandbox: Sandbox): string {
  return join(sandbox.folder, 'data')
}
