import { existsSync, globSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { downloadMysql } from './mysql-download.ts'
import { freePort } from './ports.ts'
import type { DatabaseServer } from './private-server.ts'
import { startServer, userArgs } from './private-server.ts'
import { createSandbox } from './sandbox.ts'

/** Without name resolution the one root of a new server can come through the socket only. */
const ROOT_OVER_TCP = `
CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY '';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
`

/** Starts a private Oracle MySQL server, with an empty password for root; the first time it downloads it. */
export async function startMysql(options: { extra?: readonly string[] } = {}): Promise<DatabaseServer> {
  const home = mysqlHome()
  if (!existsSync(join(home, 'root/usr/sbin/mysqld'))) await downloadMysql(home)
  const { command, args: program } = mysqld(join(home, 'root'))
  const sandbox = await createSandbox('mysql')
  return startServer(sandbox, async () => {
    const common = [...program, `--datadir=${join(sandbox.folder, 'data')}`, ...userArgs()]
    const initFile = join(sandbox.folder, 'init.sql')
    await writeFile(initFile, ROOT_OVER_TCP)
    await sandbox.run(command, [...common, '--initialize-insecure', `--init-file=${initFile}`])
    const port = await freePort()
    const socket = join(sandbox.folder, 'mysqld.sock')
    const args = [...common, ...serverArgs(sandbox.folder, port, socket), ...(options.extra ?? [])]
    return { command, args, port, socket }
  })
}

/** The folder that holds the unpacked programs: ROWBACK_MYSQL_HOME, else one in the user's cache. */
export function mysqlHome(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return process.env.ROWBACK_MYSQL_HOME || join(cache, 'rowback/mysql')
}

/** The server is started by the loader it was unpacked with: it is newer than the system's libraries. */
function mysqld(root: string): { command: string; args: string[] } {
  const [loader] = globSync(`${root}/usr/{lib64,lib}/ld-linux-*.so.*`)
  const libraries = globSync(`${root}/usr/lib/{*-linux-gnu,mysql/private,*-linux-gnu/libproxyv}`)
  if (!loader) throw new Error(`${root} holds no loader: remove the folder to download MySQL again`)
  const args = [
    ...['--library-path', libraries.join(':')],
    `${root}/usr/sbin/mysqld`,
    '--no-defaults',
    `--basedir=${root}/usr`,
    `--lc-messages-dir=${root}/usr/share/mysql`,
    `--character-sets-dir=${root}/usr/share/mysql/charsets`,
    `--plugin-dir=${root}/usr/lib/mysql/plugin`
  ]
  return { command: loader, args }
}

function serverArgs(folder: string, port: number, socket: string): string[] {
  return [
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--mysqlx=OFF',
    `--pid-file=${join(folder, 'mysqld.pid')}`,
    `--tmpdir=${folder}`,
    `--secure-file-priv=${folder}`,
    '--skip-name-resolve',
    '--skip-log-bin',
    '--local-infile=1',
    '--innodb-flush-log-at-trx-commit=2',
    '--innodb-buffer-pool-size=256M',
    '--innodb-redo-log-capacity=128M'
  ]
}
