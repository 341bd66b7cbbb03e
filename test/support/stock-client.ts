import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { findProgram } from './servers/programs.ts'

/** Restores an SQL file as a user would: `mariadb DATABASE < FILE`. Fails with what the client says. */
export async function restoreWithMysql(url: string, file: string, args: readonly string[] = []): Promise<void> {
  const program = await findProgram('mariadb', 'mysql')
  if (!program) throw new Error('neither mariadb nor mysql is installed')
  const { hostname, port, username, password, pathname } = new URL(url)
  const access = [`--host=${hostname}`, `--port=${port || 3306}`, '--protocol=TCP', `--user=${username}`]
  const env = { ...process.env, MYSQL_PWD: decodeURIComponent(password) }
  await feed(program, ['--no-defaults', ...access, ...args, pathname.slice(1)], file, env)
}

/** Restores an SQL file as a user would: `sqlite3 NEW.db < FILE`. */
export async function restoreWithSqlite(database: string, file: string): Promise<void> {
  const program = await findProgram('sqlite3')
  if (!program) throw new Error('sqlite3 is not installed')
  await feed(program, ['-init', '/dev/null', '-batch', database], file, process.env)
}

async function feed(program: string, args: readonly string[], file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const input = openSync(file, 'r')
  const child = spawn(program, args, { stdio: [input, 'ignore', 'pipe'], env })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0 || said !== '') throw new Error(`${program} ended with ${code}: ${said}`)
}
