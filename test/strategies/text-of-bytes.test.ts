import { expect, test } from 'vitest'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines, onSqlite } from '../support/both-engines.ts'

/** Columns, and cells in them of which some are no text in UTF-8. */
const TEXTS = {
  sqlite: {
    columns: ['TEXT', 'TEXT COLLATE NOCASE'],
    cells: [
      ["CAST(x'FF00FE' AS TEXT)", "CAST(x'FE' AS TEXT)"],
      ['char(65533)', "CAST(x'41C3' AS TEXT)"],
      ["CAST(x'EDA080' AS TEXT)", 'NULL']
    ]
  },
  mysql: {
    columns: ['latin1', 'gbk', 'cp1251', 'tis620'].map((set) => `VARCHAR(20) CHARACTER SET ${set}`),
    cells: [
      ["_latin1 X'FF00FE'", "_gbk X'A2A1'", "_cp1251 X'98'", "_tis620 X'80'"],
      ["_latin1 X'818D'", "_gbk X'FDFE'", "_cp1251 X'FF98'", "_tis620 X'FF'"],
      ["_latin1 X'3F'", "_gbk X'3F'", 'NULL', "_tis620 X'DB'"]
    ]
  }
}

const asText = (rows: unknown[][]) => rows.map((row) => row.map((cell) => (cell === null ? null : String(cell))))

/** Changes the table by two versions and looks whether each is known to the byte. */
async function changeTwice({ engine, place, sql, rows }: AnyShop, key: string, options = ''): Promise<void> {
  const { columns, cells } = TEXTS[engine]
  const names = columns.map((_, i) => `c${i}`)
  const hex = `SELECT id, ${names.map((name) => `hex(${name})`).join(', ')} FROM t ORDER BY id`
  const written = columns.map((type, i) => `${names[i]} ${type}`)
  await sql(`CREATE TABLE t (id ${key}, ${written.join(', ')}) ${options}`, `INSERT INTO t VALUES (1, ${cells[0]})`)
  const states = [await rows(hex)]
  const exec = async (...statements: string[]) => {
    await place.write('change.sql', `${statements.join(';\n')};\n`)
    await place.json(['exec', 'change.sql', '--strategy', 'incremental', '-m', 'x'])
    expect((await place.json<StatusOutput>(['status', '--drift'])).drift).toEqual({ tables: [], notes: [] })
    states.push(await rows(hex))
  }
  const change = names.map((name, i) => `${name} = ${cells[1]?.[i]}`).join(', ')
  await exec(`INSERT INTO t (id, ${names}) VALUES (2, ${cells[1]}), (3, ${cells[2]})`)
  await exec(`UPDATE t SET ${change} WHERE id = 1`, 'DELETE FROM t WHERE id = 2')
  await place.json(['adopt'], { code: 1 })
  await place.json(['backup', 'verify', '--rehearse'])
  if (engine === 'sqlite') {
    for (const version of [1, 2]) {
      await place.json(['backup', 'restore', String(version), '--to', `at-${version}.db`])
      expect(asText(place.rows(hex, `at-${version}.db`))).toEqual(states[version])
    }
  }
  for (const to of [1, 2, 0, 2]) {
    await place.json(['rollback', String(to)])
    expect(await rows(hex), `rollback ${to}`).toEqual(states[to])
  }
}

onBothEngines('text that is no text in UTF-8, under incremental', (current) => {
  test('is what a version wrote, to the byte: it is no drift, and comes back as it was', async () => {
    await changeTwice(current(), 'INTEGER NOT NULL PRIMARY KEY')
  })

  test('the same beside keys that are text', async () => {
    await changeTwice(current(), 'VARCHAR(9) NOT NULL PRIMARY KEY')
  })
})

onSqlite('text that is no text in UTF-8, in a table without a rowid', (current) => {
  test('is what a version wrote, to the byte', async () => {
    await changeTwice(current(), 'TEXT PRIMARY KEY', 'WITHOUT ROWID')
  })
})
