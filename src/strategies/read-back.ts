import { createHash } from 'node:crypto'
import type { Engine } from '../engines/engine.ts'
import type { Table } from '../model/table.ts'
import { Repository } from '../store/repository.ts'
import { readRanges } from './range-reader.ts'
import type { CutRange, StoredImage } from './table-image.ts'
import { rangeOf } from './table-image.ts'

/** Whether the rows that a table now has in some ranges are those of a backup. */
export async function readsBackAs(
  engine: Engine,
  table: Table,
  wanted: StoredImage,
  ranges: readonly CutRange[]
): Promise<boolean> {
  const hashes = ranges.map(() => createHash('sha256'))
  for await (const { range, bytes } of readRanges(engine, table, ranges.map(rangeOf))) hashes[range]?.update(bytes)
  for (const [i, range] of ranges.entries()) {
    if (hashes[i]?.digest('hex') !== (await nameAsOne(wanted, range))) return false
  }
  return true
}

/** The name that the rows of a range have, or would have if they were one object. */
async function nameAsOne({ stored: { repository, objects } }: StoredImage, { from, to }: CutRange): Promise<string> {
  const names = objects(from, to)
  return names.length === 1 ? (names[0] as string) : Repository.nameOf(await repository.joined(names))
}
