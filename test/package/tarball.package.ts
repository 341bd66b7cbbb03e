import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'rowback-package-'))
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

/** Runs the installed command as a shell would, by the Node.js that runs this test. */
function rowback(...words: string[]) {
  return spawnSync(process.execPath, [join(folder, 'node_modules/.bin/rowback'), ...words], {
    cwd: folder,
    encoding: 'utf8'
  })
}

beforeAll(() => {
  const tarball = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: ROOT,
    encoding: 'utf8'
  })
  const file = tarball.trim().split('\n').at(-1) ?? ''
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', join(folder, file)], { cwd: folder })
})

afterAll(() => rmSync(folder, { recursive: true }))

test('the installed command says its version', () => {
  expect(rowback('--version')).toMatchObject({ status: 0, stdout: `${version}\n` })
})

test('the installed command migrates, lists and rolls back', () => {
  writeFileSync(join(folder, 'dogs.csv'), 'id,name\n1,Rex\n2,Bello\n')
  const migrated = rowback('migrate', 'dogs.csv', '-m', 'dogs', '--json')
  expect(JSON.parse(migrated.stdout)).toMatchObject({ version: 1, tables: [{ table: 'dogs', inserted: 2, failed: 0 }] })
  expect(rowback('log').stdout).toContain('dogs')
  const back = rowback('rollback', '0', '--json')
  expect(JSON.parse(back.stdout)).toMatchObject({ version: 2, tables: [{ table: 'dogs', deleted: 2, dropped: true }] })
  expect(JSON.parse(rowback('status', '--json').stdout).tables).toEqual([])
})

/** Larger than what is stored in passing. */
function writeMany(name: string): void {
  const rows = Array.from({ length: 20_000 }, (_, id) => `${id},a name that is somewhat longer than Rex ${id}\n`)
  writeFileSync(join(folder, name), `id,name\n${rows.join('')}`)
}

test('the installed command backs up large tables, which a thread of its own does', () => {
  writeMany('cats.csv')
  expect(rowback('migrate', 'cats.csv', '-m', 'cats', '--json')).toMatchObject({ status: 0 })
  const backup = rowback('backup', 'create', '--json')
  expect(JSON.parse(backup.stdout)).toMatchObject({ rows: 20_000 })
  expect(rowback('backup', 'verify')).toMatchObject({ status: 0 })
})

test('the licences of what the command contains go along', () => {
  const licences = readFileSync(join(folder, 'node_modules/rowback/bundle/LICENSES.txt'), 'utf8')
  for (const name of ['commander', 'mysql2', 'zod']) expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'))
  expect(licences).toContain('Permission is hereby granted')
})

test('the installed package is a library with types', () => {
  const code =
    "import { open } from 'rowback'; const db = await open({ target: 'sqlite:rowback.db' }); console.log((await db.log()).length); await db.close()"
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: folder, encoding: 'utf8' })
  expect(result).toMatchObject({ status: 0, stdout: '4\n' })
  expect(existsSync(join(folder, 'node_modules/rowback/dist/index.d.ts'))).toBe(true)
})

test('an older Node.js is told in one sentence what is needed', () => {
  const text = readFileSync(join(folder, 'node_modules/rowback/bin/rowback.js'), 'utf8')
  const asOld = text.replace('process.versions.node.split', "'20.11.0'.split")
  expect(asOld).not.toBe(text)
  writeFileSync(join(folder, 'old.mjs'), asOld)
  const result = spawnSync(process.execPath, ['old.mjs'], { cwd: folder, encoding: 'utf8' })
  expect(result.status).toBe(2)
  expect(result.stderr).toMatch(/^rowback needs Node\.js 24 or newer, and this is [\d.]+\.\n$/)
})
