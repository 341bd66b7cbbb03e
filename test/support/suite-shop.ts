import { readdir, readFile, writeFile } from 'node:fs/promises'
import { open } from '../../src/rowback.ts'
import { Workplace } from './cli.ts'

/**
 * A folder as a user has it after some work: `shop.db` with three tables, `rowback.yaml`, and a repository.
 * Version 1 made `customers` from customers.csv (Ann, Bob, Cid), 2 changed Ann and added Dan, 3 failed; `notes` has
 * no key, and no version wrote `parts`.
 */
export async function makeShop(): Promise<Workplace> {
  const shop = await Workplace.make()
  shop.sql(`
    CREATE TABLE notes (text TEXT);
    INSERT INTO notes VALUES ('first'), ('second');
    CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO parts VALUES (1, 'bolt'), (2, 'nut');
  `)
  await shop.write('rowback.yaml', 'target: sqlite:shop.db\n')
  await shop.write('customers.csv', 'id,name,tier\n1,Ann,gold\n2,Bob,silver\n3,Cid,\n')
  await shop.write('customers2.csv', 'id,name,tier\n1,Anna,gold\n4,Dan,basic\n')
  await shop.write('good.csv', 'id,name,tier\n5,Eve,gold\n')
  await shop.write('bad.csv', 'id,name,tier\nx,Fay,gold\n6,Gus,basic\ny,Hal,gold\nz,Ina,gold\n')
  const db = await open({ target: `sqlite:${shop.at('shop.db')}`, repository: shop.at('.rowback'), author: 'tester' })
  try {
    const source = (name: string) => ({ source: shop.at(name), table: 'customers' })
    await db.migrate({ ...source('customers.csv'), key: ['id'], create: true, description: 'first customers' })
    await db.migrate({ ...source('customers2.csv'), description: 'more customers', tag: 'more' })
    await db.migrate({ ...source('bad.csv'), description: 'all or nothing', onFailure: 'abort' }).catch(() => {})
  } finally {
    await db.close()
  }
  return shop
}

/** The manifest of the backup with this sequence number: its path and what it says. */
export async function manifestOf(
  shop: Workplace,
  sequence: number
): Promise<{ path: string; tables: { name: string; rows: number; chunks: { object: string; rows: number }[] }[] }> {
  const folder = shop.at('.rowback/manifests')
  const name = (await readdir(folder)).find((file) => Number.parseInt(file, 10) === sequence)
  const path = `${folder}/${name}`
  return { path, ...JSON.parse(await readFile(path, 'utf8')) }
}

/** The file of the first chunk of a table in a backup. */
export async function objectOf(shop: Workplace, sequence: number, table: string): Promise<string> {
  const { tables } = await manifestOf(shop, sequence)
  const object = tables.find((entry) => entry.name === table)?.chunks[0]?.object ?? ''
  return shop.at(`.rowback/objects/${object.slice(0, 2)}/${object}.zst`)
}

/** Turns one byte in the middle of a file around. */
export async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path)
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] as number) ^ 0x55
  await writeFile(path, bytes)
}
