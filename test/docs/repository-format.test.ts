import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WHOLE_TABLE } from '../../src/engines/engine.ts'
import { openEngine } from '../../src/engines/registry.ts'
import { encodeRow } from '../../src/model/value.ts'
import { backupCreate } from '../../src/operations/backup/create.ts'
import { open } from '../../src/rowback.ts'
import { ObjectStore } from '../../src/store/objects.ts'
import { Workplace } from '../support/cli.ts'
import { flipByte } from '../support/suite-shop.ts'

const FORMAT = readFileSync(fileURLToPath(new URL('../../docs/repository-format.md', import.meta.url)), 'utf8')
const RECIPE = /^```sh file=rows\.sh\n([\s\S]*?)^```/m.exec(FORMAT)?.[1] ?? ''

const toolsAreThere = ['zstd', 'jq', 'sha256sum'].every((tool) => spawnSync(tool, ['--version']).status === 0)

let place: Workplace

beforeEach(async () => {
  place = await Workplace.make('rowback-format-')
  await place.write('rows.sh', RECIPE)
  const rows = Array.from(
    { length: 12_000 },
    (_, id) => `(${id}, '${ObjectStore.hash(String(id)).repeat(3)}', ${id}.5)`
  )
  place.sql(`
    CREATE TABLE big (id INTEGER PRIMARY KEY, text TEXT, n REAL);
    INSERT INTO big VALUES ${rows.join(',')};
    CREATE TABLE kinds (i INTEGER, r REAL, t TEXT, b BLOB);
    INSERT INTO kinds VALUES (1, 1, 'it''s "x"' || char(10), x'00ff'), (9223372036854775807, -0.0, '你好', NULL);
    CREATE TABLE "no rows" (id INTEGER PRIMARY KEY);
  `)
  const db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
  for (let round = 0; round < 4; round++) {
    place.sql(`UPDATE big SET n = n + 1, text = hex(randomblob(90)) WHERE id % ${10 + round} = 0`)
    await db.run(backupCreate, {})
  }
  await db.close()
})

afterEach(() => place.remove())

const rowsOf = (table: string, ...manifest: string[]) =>
  spawnSync('sh', ['rows.sh', '.rowback', table, ...manifest], {
    cwd: place.path,
    encoding: 'utf8',
    maxBuffer: 1 << 28
  })

interface ManifestFile {
  tables: { name: string; chunks: { object: string }[] }[]
}

function manifests(): string[] {
  return readdirSync(place.at('.rowback/manifests')).sort()
}

function pathsOf(manifest: string): string[] {
  const { tables } = JSON.parse(readFileSync(place.at(`.rowback/manifests/${manifest}`), 'utf8')) as ManifestFile
  return tables
    .flatMap((table) => table.chunks.map((chunk) => chunk.object))
    .map((object) => place.at(`.rowback/objects/${object.slice(0, 2)}/${object}.zst`))
}

describe.skipIf(!toolsAreThere)('the recipe of repository-format.md (not run without zstd, jq and sha256sum)', () => {
  test('gives every row of every table, deltas of deltas included', async () => {
    const isDelta = (path: string) => readFileSync(path).toString('latin1', 8, 21) === 'rowback delta'
    const depths = pathsOf(manifests().at(-1) as string)
      .filter(isDelta)
      .map((path) => / depth=(\d\d) /.exec(readFileSync(path).toString('latin1', 8, 124))?.[1])
    expect(Math.max(...depths.map(Number))).toBeGreaterThan(1)
    const engine = await openEngine(`sqlite:${place.at('shop.db')}`)
    const own = (await engine.tables([])).filter((table) => !table.name.startsWith('rowback'))
    expect(own.map((table) => table.name)).toEqual(['big', 'kinds', 'no rows'])
    for (const table of own) {
      let lines = ''
      for await (const batch of engine.readRows(table, WHOLE_TABLE)) {
        for (const row of batch) lines += `${encodeRow(row)}\n`
      }
      const { stdout, stderr, status } = rowsOf(table.name)
      expect([stderr, status]).toEqual(['', 0])
      expect(stdout === lines, `${table.name} comes back as it is`).toBe(true)
    }
    await engine.close()
  })

  test('gives the rows of an older backup', () => {
    const { stdout } = rowsOf('big', `.rowback/manifests/${manifests()[0]}`)
    const numbers = stdout
      .split('\n')
      .slice(0, 12)
      .map((line) => (JSON.parse(line) as [number, string, number])[2])
    expect(numbers).toEqual([1.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 11.5, 11.5])
  })

  test('notices damage', async () => {
    await flipByte(pathsOf(manifests()[0] as string)[0] as string)
    expect(rowsOf('big').status).not.toBe(0)
    await flipByte(place.at(`.rowback/manifests/${manifests().at(-1)}`))
    expect(rowsOf('kinds')).toMatchObject({ status: 1, stderr: expect.stringContaining('is damaged') })
  })
})
