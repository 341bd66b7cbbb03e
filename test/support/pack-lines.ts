import { Repository } from '../../src/store/repository.ts'

/** Lines as the rows of one object, and its name. */
export async function packLines(
  lines: readonly string[]
): Promise<{ object: string; bytes: Buffer<ArrayBuffer>; rows: number }> {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  return { object: await Repository.nameOf(bytes), bytes, rows: lines.length }
}
