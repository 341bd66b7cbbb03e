import type { FailureCode } from '../model/failed-row.ts'
import type { Table } from '../model/table.ts'
import type { Value } from '../model/value.ts'
import { display } from '../model/value.ts'
import type { Refusal } from './engine.ts'

/** What engines say of rows that they refuse by their key, in the same words. */
export class KeyRefusals {
  readonly #key: readonly string[]

  constructor(key: readonly string[]) {
    this.#key = key
  }

  /** @param line where the key stood first; null when that is not known */
  repeated(key: readonly Value[], line: number | null): Refusal {
    const where = line === null ? 'an earlier line' : `line ${line}`
    return this.#refusal('duplicate_key', `the key ${this.#text(key)} already stands on ${where} of the source`)
  }

  alreadyThere(key: readonly Value[]): Refusal {
    return this.#refusal('duplicate_key', `a row with ${this.#text(key)} is there already`)
  }

  notFound(key: readonly Value[]): Refusal {
    return this.#refusal('not_found', `no row has ${this.#text(key)}`)
  }

  /** A row that the source does not have, and that stays because the database would not let it go. */
  kept(key: readonly Value[], refusal: Refusal): Refusal {
    const what = `${this.#text(key)} is not in the source and could not be deleted`
    return { ...refusal, reason: `${what}: ${refusal.reason}` }
  }

  #refusal(code: FailureCode, reason: string): Refusal {
    return { column: this.#key.length === 1 ? (this.#key[0] ?? null) : null, code, reason }
  }

  #text(key: readonly Value[]): string {
    return this.#key.map((name, i) => `${name} = ${display(key[i] ?? null)}`).join(', ')
  }
}

/** The refusals for which a later row of the same source may clear the way. */
export function waitingCodes(table: Table): ReadonlySet<FailureCode> {
  const codes: FailureCode[] = []
  const ownName = table.name.toLowerCase()
  if (table.foreignKeys.some((foreign) => foreign.parentTable.toLowerCase() === ownName)) codes.push('foreign_key')
  if (table.uniqueKeys.length > 1) codes.push('duplicate_key')
  return new Set(codes)
}

/** Rows that wait for others of the same table; beyond this many they fail at once. */
export const MOST_POSTPONED = 100_000
/** So many changes of a kind are told of, for a sample. */
export const SAMPLED = 100
