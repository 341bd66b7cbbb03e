import { hash } from 'node:crypto'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow } from '../model/value.ts'
import type { Piece, TableChangeSet } from '../store/change-set.ts'
import type { TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'

/** From what a table's rows in some state are made, without the database. */
export interface Increments {
  /** What the increments go on from; null where the first of them lists all rows. */
  base: { name: string; stored: TableManifest } | null
  /** The oldest first. */
  changes: TableChangeSet[]
}

/** What stands for a row in memory. */
export function nameOf(line: string): string {
  return hash('sha256', line, 'base64').slice(0, 24)
}

export async function* linesIn(repository: Repository, pieces: readonly Piece[]): AsyncIterable<string[]> {
  for (const { object } of pieces) yield repository.lines(object)
}

export async function* storedLines(repository: Repository, stored: TableManifest): AsyncIterable<string[]> {
  for (const { object } of stored.chunks) {
    const lines = await repository.lines(object)
    yield stored.hiddenOrder ? lines.map((line) => encodeRow(decodeRow(line).slice(1))) : lines
  }
}

export function decoded(lines: readonly string[]): Row[] {
  return lines.map(decodeRow)
}

/** All is there, and makes another table than the one that the last version left: others had changed rows before it. */
export class DoNotFit extends RowbackError {
  /** The name. */
  readonly table: string

  constructor(repository: Repository, { name }: TableChangeSet) {
    super({
      code: 'backup.drift',
      message: `The backup and the change sets of ${name} in ${repository.root} do not make the rows that were recorded: others had changed some before a version was made, which no version has.`,
      hint: 'The history in the database has such a state: rowback checkout. States are whole again from the next on with: rowback adopt',
      exit: ExitCode.conflict
    })
    this.table = name
  }
}
