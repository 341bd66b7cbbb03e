import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { cli } from '../support/cli.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { findMariadbd, startMariadb } from '../support/servers/mariadb.ts'
import type { DatabaseServer } from '../support/servers/private-server.ts'

const canRun = inject('mysqlUrl') !== null && (await findMariadbd()) !== null

describe.skipIf(!canRun)(`TLS (needs a MariaDB server of its own and openssl; ${HOW_TO_PROVIDE})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'rowback-tls-'))
  const at = (name: string) => join(folder, name)
  let server: DatabaseServer

  beforeAll(async () => {
    certificate('server', 'IP:127.0.0.1')
    certificate('stranger', 'IP:127.0.0.1')
    server = await startMariadb({
      extra: [`--ssl-cert=${at('server.pem')}`, `--ssl-key=${at('server.key')}`, '--require-secure-transport=1']
    })
    const sql = await createConnection({ socketPath: server.socket, user: 'root' })
    await sql.query('CREATE DATABASE shop')
    await sql.end()
    writeFileSync(at('goods.csv'), 'id,note\n1,tea\n')
  }, 60_000)

  afterAll(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true })
  })

  /** One that signed itself. */
  function certificate(name: string, subject: string): void {
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=rowback test']
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`), '-addext', `subjectAltName=${subject}`]
    execFileSync('openssl', [...args, ...files], { stdio: 'pipe' })
  }

  const run = (parameters: string, ...args: string[]) =>
    cli([...args, '--target', `${server.url}/shop${parameters}`, '--json'], { cwd: folder })

  test('a certificate is checked by the authority that is named, and rows go over TLS', async () => {
    const parameters = `?ssl=true&sslCa=${at('server.pem')}`
    const loaded = await run(parameters, 'migrate', 'goods.csv', '--key', 'id', '--create', '-m', 'tea')
    expect(loaded.code, loaded.stdout).toBe(0)
    const { rows } = JSON.parse((await run(parameters, 'query', "SHOW STATUS LIKE 'Ssl_cipher'")).stdout)
    expect(rows[0][1]).toMatch(/^TLS_|AES|CHACHA/)
  })

  test('one of a stranger, and one that nobody vouches for, are refused', async () => {
    for (const parameters of [`?ssl=true&sslCa=${at('stranger.pem')}`, '?ssl=true']) {
      const refused = await run(parameters, 'status')
      expect(refused.code).not.toBe(0)
      const { error } = JSON.parse(refused.stdout)
      expect(error.message).toMatch(/certificate/)
      expect(error.hint).not.toBe('')
    }
  })

  test('it is not checked where that is said', async () => {
    expect((await run('?ssl=no-verify', 'query', 'SELECT 1')).code).toBe(0)
  })

  test('where the server wants TLS, the error says how', async () => {
    const refused = await run('', 'status')
    expect(refused.code).not.toBe(0)
    expect(JSON.parse(refused.stdout).error.hint).toContain('?ssl=true')
  })
})
