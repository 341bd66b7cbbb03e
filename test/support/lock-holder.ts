import { Repository } from '../../src/store/repository.ts'
import { packLines } from './pack-lines.ts'

/** A process that keeps a repository open until it is told `close`, or writes backups into it. */
const [root, database, how, name, count] = process.argv.slice(2) as [string, string, string, string, string]

if (how === 'write') await write(Number(count))
else await hold()

async function hold(): Promise<void> {
  const repository =
    how === 'openAlone'
      ? await Repository.openAlone(root, database, 0)
      : how === 'open'
        ? await Repository.open(root, database, 0)
        : await Repository.openForReading(root, database, 0)
  process.on('message', () => {
    repository.close()
    process.disconnect()
  })
  process.send?.('ready')
}

async function write(backups: number): Promise<void> {
  const repository = await Repository.open(root, database)
  let base: string | null = null
  for (let i = 0; i < backups; i++) {
    // The same rows in every process, so that they meet at the same objects.
    const rows = await packLines(Array.from({ length: 500 }, (_, id) => `[${id},"row ${id} of ${id === i ? i : 0}"]`))
    await repository.putRows(rows.bytes, base)
    base = rows.object
    const chunk = { from: null, rows: rows.rows, bytes: rows.bytes.length, object: rows.object }
    const table = {
      name: 't',
      columns: ['id', 'text'],
      definition: [],
      order: ['id'],
      hiddenOrder: false,
      key: ['id'],
      collations: {},
      ddl: ['CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)'],
      rows: rows.rows,
      chunks: [chunk]
    }
    const about = { database, engine: 'sqlite', takenAt: `${name} ${i}`, state: i, version: null, added: 0 }
    await repository.putManifest({ ...about, tables: [table] })
  }
  repository.close()
  process.disconnect?.()
}
