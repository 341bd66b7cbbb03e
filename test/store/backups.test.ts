import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WHOLE_TABLE } from '../../src/engines/engine.ts'
import { openEngine } from '../../src/engines/registry.ts'
import type { Row } from '../../src/model/value.ts'
import { encodeRow } from '../../src/model/value.ts'
import type { Rowback } from '../../src/rowback.ts'
import { open } from '../../src/rowback.ts'
import type { ChunkReference, Manifest, TableManifest } from '../../src/store/manifest.ts'
import { boundFromJson } from '../../src/store/manifest.ts'
import { Repository } from '../../src/store/repository.ts'
import { Workplace } from '../support/cli.ts'
import { flipByte } from '../support/suite-shop.ts'

/** Long enough for several chunks of about a mebibyte. */
const ROWS = 9000
const PADDING = 'x'.repeat(300)

let place: Workplace
let db: Rowback

beforeEach(async () => {
  place = await Workplace.make('rowback-backups-')
  place.sql(`
    CREATE TABLE big (id INTEGER PRIMARY KEY, text TEXT);
    CREATE TABLE places (land TEXT, town TEXT, text TEXT, PRIMARY KEY (land, town)) WITHOUT ROWID;
    CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE hollow (id INTEGER PRIMARY KEY);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
      INSERT INTO big SELECT i * 2, i || '${PADDING}' FROM n;
    INSERT INTO places SELECT 'land' || (id % 7), 'town' || id, text FROM big;
    INSERT INTO small VALUES (1, 'one');
  `)
  db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
})

afterEach(async () => {
  await db.close()
  await place.remove()
})

async function migrate(name: string): Promise<string> {
  const source = await place.write('small.csv', `id,name\n1,${name}\n`)
  const version = await db.migrate({ source, table: 'small', description: name })
  return version.json.anchor as string
}

async function repository(): Promise<Repository> {
  return Repository.open(
    place.at('.rowback'),
    String(place.rows("SELECT value FROM rowback_meta WHERE name = 'database'")[0])
  )
}

function tableIn(manifest: Manifest, name: string): TableManifest {
  return manifest.tables.find((table) => table.name === name) as TableManifest
}

async function objects(): Promise<string[]> {
  return (await readdir(place.at('.rowback/objects'), { recursive: true }))
    .filter((name) => name.endsWith('.zst'))
    .sort()
}

describe('a full backup', () => {
  /** The rows as they are, in canonical lines. */
  async function liveLines(): Promise<Map<string, string[]>> {
    const engine = await openEngine(`sqlite:${place.at('shop.db')}`)
    const lines = new Map<string, string[]>()
    for (const table of await engine.tables([])) {
      const own: string[] = []
      for await (const batch of engine.readRows(table, WHOLE_TABLE)) own.push(...batch.map(encodeRow))
      lines.set(table.name, own)
    }
    await engine.close()
    return lines
  }

  test('has every row exactly once, in contiguous chunks that sum to the count', async () => {
    const live = await liveLines()
    const anchor = await migrate('two')
    const opened = await repository()
    const manifest = await opened.manifest(anchor)
    expect(manifest.tables.map(({ name }) => name)).toEqual(['big', 'hollow', 'places', 'small'])
    for (const { name, chunks, rows, order, columns } of manifest.tables) {
      const parts = await Promise.all(chunks.map((chunk) => opened.lines(chunk.object)))
      expect(parts.flat()).toEqual(live.get(name))
      expect(rows).toBe(parts.flat().length)
      expect(chunks.map((chunk) => chunk.rows)).toEqual(parts.map((part) => part.length))
      expect(chunks.map((chunk) => chunk.bytes)).toEqual(parts.map(byteLength))
      const keyOf = (line: string) => (order ?? []).map((column) => (JSON.parse(line) as Row)[columns.indexOf(column)])
      const firstKeys = parts.map((part, at) => (at === 0 ? null : keyOf(part[0] ?? '')))
      expect(chunks.map((chunk) => chunk.from)).toEqual(firstKeys)
    }
    expect(tableIn(manifest, 'big').chunks.length).toBeGreaterThan(2)
    expect(tableIn(manifest, 'places').chunks.length).toBeGreaterThan(2)
  })

  test('adds little when a hundredth of the rows changed, in one range or all over', async () => {
    place.sql(`
      DROP TABLE places;
      CREATE TABLE noise (id INTEGER PRIMARY KEY, text TEXT);
      INSERT INTO noise SELECT id, hex(randomblob(100)) FROM big;
      INSERT INTO noise SELECT id + 1, hex(randomblob(100)) FROM big;
    `)
    const added = async (name: string) => {
      const anchor = await migrate(name)
      return (await (await repository()).manifest(anchor)).added
    }
    const first = await added('one')
    place.sql('UPDATE noise SET text = hex(randomblob(100)) WHERE id BETWEEN 9000 AND 9000 + 180')
    expect(await added('two')).toBeLessThan(0.03 * first)
    place.sql('UPDATE noise SET text = hex(randomblob(100)) WHERE id * 7919 % 100 = 0')
    expect(await added('three')).toBeLessThan(0.1 * first)
    expect(first).toBeGreaterThan(1_000_000)
  })

  test('after many were taken away, chunks that were joined are deltas against the largest of them', async () => {
    place.sql('UPDATE big SET text = hex(randomblob(200))')
    const one = await migrate('one')
    const opened = await repository()
    const first = await opened.manifest(one)
    place.sql('DELETE FROM big WHERE id % 20 <> 0 AND id > 4000')
    const second = await opened.manifest(await migrate('two'))
    const [before, after] = [first, second].map((manifest) => tableIn(manifest, 'big').chunks.length) as [
      number,
      number
    ]
    expect(after).toBeLessThan(before)
    expect(second.added).toBeLessThan(first.added / 10)
    const again = await repository()
    const lines = await Promise.all(tableIn(second, 'big').chunks.map((chunk) => again.lines(chunk.object)))
    expect(lines.flat()).toHaveLength(place.rows('SELECT count(*) FROM big')[0]?.[0] as number)
  })

  function byteLength(lines: string[]): number {
    return lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
  }

  test('stores unchanged chunks once, and of a changed table only the chunk that changed', async () => {
    const first = await migrate('two')
    const before = await objects()
    const second = await migrate('three')
    const afterSmall = await objects()
    expect(afterSmall.length - before.length).toBe(1)
    place.sql(`UPDATE big SET text = 'changed' WHERE id = ${ROWS}`)
    const third = await migrate('four')
    const afterBig = await objects()
    expect(afterBig.length - afterSmall.length).toBe(2)
    const opened = await repository()
    const chunks = async (anchor: string) => tableIn(await opened.manifest(anchor), 'big').chunks
    expect(await chunks(second)).toEqual(await chunks(first))
    const [old, now] = [await chunks(second), await chunks(third)]
    expect(now.map((chunk) => boundFromJson(chunk.from))).toEqual(old.map((chunk) => boundFromJson(chunk.from)))
    expect(now.filter((chunk, i) => chunk.object !== old[i]?.object)).toHaveLength(1)
  })

  test('keeps its cuts when rows are added and taken away all over', async () => {
    await migrate('two')
    place.sql(`
      DELETE FROM big WHERE id % 4 = 0;
      INSERT INTO big SELECT id + 1, text FROM big WHERE id % 6 = 0;
      INSERT INTO big VALUES (-5, 'before all'), (${ROWS * 3}, 'after all');
    `)
    const opened = await repository()
    const manifest = await opened.manifest(await migrate('three'))
    const { chunks, rows } = tableIn(manifest, 'big')
    expect(rows).toBe(place.rows('SELECT count(*) FROM big')[0]?.[0])
    const lines = (await Promise.all(chunks.map((chunk) => opened.lines(chunk.object)))).flat()
    expect(lines.map((line) => (JSON.parse(line) as number[])[0])).toEqual(
      place.rows('SELECT id FROM big ORDER BY id').map(([id]) => id)
    )
  })

  test('a table that shrinks to nothing and grows again', async () => {
    await migrate('two')
    place.sql('DELETE FROM big')
    const opened = await repository()
    const empty = tableIn(await opened.manifest(await migrate('three')), 'big')
    expect([empty.rows, empty.chunks.map((chunk) => chunk.rows)]).toEqual([0, [0]])
    place.sql("INSERT INTO big VALUES (7, 'again')")
    const again = tableIn(await opened.manifest(await migrate('four')), 'big')
    expect([again.rows, again.chunks.map((chunk) => chunk.rows)]).toEqual([1, [1]])
  })

  test('a rollback over many chunks brings back every row', async () => {
    await migrate('two')
    const source = await place.write('big.csv', 'id,text\n2,changed\n18000,changed\n18001,new\n9001,new\n')
    const before = place.rows('SELECT id, text FROM big ORDER BY id')
    const version = await db.migrate({ source, table: 'big', description: 'x', mode: 'upsert' })
    expect(version.tables[0]).toMatchObject({ inserted: 2, updated: 2 })
    const back = await db.rollback(1)
    expect(back.tables).toMatchObject([{ table: 'big', inserted: 0, updated: 2, deleted: 2 }])
    expect(place.rows('SELECT id, text FROM big ORDER BY id')).toEqual(before)
  })

  test('damaged in a chunk that a rollback needs: exit code 7, and no row is changed', async () => {
    await migrate('two')
    const source = await place.write('big.csv', 'id,text\n2,changed\n')
    const version = await db.migrate({ source, table: 'big', description: 'x' })
    const opened = await repository()
    const chunk = tableIn(await opened.manifest(version.json.anchor as string), 'big').chunks[0] as ChunkReference
    await flipByte(place.at(`.rowback/objects/${chunk.object.slice(0, 2)}/${chunk.object}.zst`))
    const before = place.rows('SELECT * FROM big')
    await expect(db.rollback(1)).rejects.toMatchObject({ code: 'backup.damaged', exit: 7 })
    expect(place.rows('SELECT * FROM big')).toEqual(before)
  })
})
