import { expect } from 'vitest'
import type { BlameOutput } from '../../src/operations/blame.ts'
import { cellsOf, keyOf } from './properties-model.ts'
import type { Played } from './properties-scenario.ts'
import type { DatabaseState, ExactCell } from './properties-state.ts'
import { jsonCell, textCell } from './properties-state.ts'
import type { TableSpec } from './properties-tables.ts'
import { errorOf } from './suite-engine-bench.ts'

/** Which version a cell came from, and which brought it back since, the newest first. */
interface Origin {
  version: number
  via: number[]
}

interface Row {
  cells: Record<string, ExactCell>
  origins: Record<string, Origin>
}

/** What the model knows of one table after a version: the rows there are, and the last of those there were. */
interface Blames {
  rows: Map<string, Row>
  gone: Map<string, Row & { by: number }>
}

/** The blame of every cell at every version is that of a model which goes forward from state to state. */
export async function checkBlames(played: Played): Promise<void> {
  await checkBlamesAt(played, played.numbers)
}

/** The same at the newest version alone. */
export async function checkBlamesOfHead(played: Played): Promise<void> {
  await checkBlamesAt(played, [played.head])
}

async function checkBlamesAt(played: Played, versions: readonly number[]): Promise<void> {
  if (played.versions.length === 0) return
  for (const spec of played.tables) {
    if (!spec.key) continue
    const models = modelOf(played, spec, spec.key)
    const known = new Map([...models.values()].flatMap(({ rows }) => [...rows]))
    for (const version of versions) {
      const model = models.get(version) as Blames
      for (const [id, row] of known)
        if (!isAmbiguous(spec, id, [...known.keys()])) await checkRow(played, spec, version, model, id, row)
    }
  }
}

function modelOf(played: Played, spec: TableSpec, key: string[]): Map<number, Blames> {
  const models = new Map<number, Blames>()
  let last: Blames = { rows: new Map(), gone: new Map() }
  for (const version of played.numbers) {
    const source = sourceOf(played, version)
    last = next(last, rowsOf(played.stateOf(version), spec, key), version, models.get(source ?? -1))
    models.set(version, last)
  }
  return models
}

/** The version whose values a rollback or a revert brings back. */
function sourceOf(played: Played, number: number): number | undefined {
  const version = played.versions.find((one) => one.number === number)
  const target = version?.output.targetVersion ?? 0
  if (version?.kind === 'rollback') return target
  return version?.kind === 'revert' ? played.numbers.findLast((other) => other < target) : undefined
}

function next(last: Blames, rows: Map<string, Row['cells']>, version: number, source: Blames | undefined): Blames {
  const made = new Map<string, Row>()
  for (const [id, cells] of rows) {
    const before = last.rows.get(id)
    const origins = Object.entries(cells).map(([name, cell]) => {
      if (before?.cells[name] === cell) return [name, before.origins[name] as Origin] as const
      const then = source?.rows.get(id)
      const brought = then?.cells[name] === cell ? then.origins[name] : undefined
      return [name, brought ? { ...brought, via: [version, ...brought.via] } : { version, via: [] }] as const
    })
    made.set(id, { cells, origins: Object.fromEntries(origins) })
  }
  const gone = new Map([...last.gone].filter(([id]) => !made.has(id)))
  for (const [id, row] of last.rows) if (!made.has(id)) gone.set(id, { ...row, by: version })
  return { rows: made, gone }
}

function rowsOf(state: DatabaseState, spec: TableSpec, key: string[]): Map<string, Row['cells']> {
  const table = state.get(spec.name)
  const computed = new Set(spec.columns.filter((column) => column.generated).map((column) => column.name))
  const rows = (table?.rows ?? []).map((row) => cellsOf(table?.columns ?? [], row))
  return new Map(
    rows.map((cells) => [
      idOf(spec, key, cells),
      Object.fromEntries(Object.entries(cells).filter(([name]) => !computed.has(name)))
    ])
  )
}

/** By how a user names it: in a table that is made anew 4 may be a number once, and text then. */
function idOf(spec: TableSpec, key: string[], cells: Row['cells']): string {
  const texts = key.map((name) => [name, textCell(keyText(cells[name] as ExactCell))] as const)
  return keyOf(spec, key, Object.fromEntries(texts)) ?? ''
}

/** Names that are one in a table with numbers, and several in one with text. */
function isAmbiguous(spec: TableSpec, id: string, ids: readonly string[]): boolean {
  const looseId = (text: string) => text.split('|').map(looseText).join('|')
  return spec.ddl === null && ids.some((other) => other !== id && looseId(other) === looseId(id))
}

function looseText(cell: string): string {
  const text = String(jsonCell(cell))
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : String(Number(text))
}

async function checkRow(
  played: Played,
  spec: TableSpec,
  at: number,
  model: Blames,
  id: string,
  named: Row
): Promise<void> {
  const key = Object.fromEntries((spec.key ?? []).map((name) => [name, keyText(named.cells[name] as ExactCell)]))
  const where = `blame of ${spec.name} ${JSON.stringify(key)} at version ${at}`
  const there = model.rows.get(id)
  const gone = model.gone.get(id)
  const asked = played.db.blame(spec.name, key, { at })
  const expected = there ?? gone
  if (!expected) {
    expect((await errorOf(asked)).code, where).toBe('row.unknown')
    return
  }
  const found = await asked
  expect(shownOf(found), where).toEqual(shownOfModel(expected))
  expect(found.deleted?.version ?? null, `${where}: deleted by`).toBe(there ? null : gone?.by)
}

/** As a user names it; -0 and 0 are the same key. */
function keyText(cell: ExactCell): string {
  return cell === 'real:-0' ? '-0' : String(jsonCell(cell))
}

function shownOf({ cells }: BlameOutput): unknown {
  return Object.fromEntries(
    cells.map(({ column, value, version, via }) => [column, [value, version, via.map((one) => one.version)]])
  )
}

function shownOfModel({ cells, origins }: Row): unknown {
  return Object.fromEntries(
    Object.entries(origins).map(([name, { version, via }]) => [
      name,
      [jsonCell(cells[name] as ExactCell), version, via]
    ])
  )
}
