import type { PackedRows } from '../../src/store/repository.ts'
import { Repository } from '../../src/store/repository.ts'

/** Lines as the rows of one object. */
export function packLines(lines: readonly string[]): Promise<PackedRows> {
  return Repository.pack(Buffer.from(lines.map((line) => `${line}\n`).join('')), lines.length)
}
