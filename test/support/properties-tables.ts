import type { ExactCell } from './properties-state.ts'
import { blobCell, textCell } from './properties-state.ts'

export type ColumnKind = 'integer' | 'real' | 'text' | 'blob' | 'numeric' | 'date' | 'boolean' | 'any' | 'reference'

/** Raw cells of a source, by what the column holds; the simplest first. */
export interface Domain {
  good: (string | null)[]
  /** What the column cannot hold. */
  bad: (string | null)[]
}

export interface ColumnSpec {
  name: string
  kind: ColumnKind
  /** What a new row holds where the source does not have the column. */
  defaultCell?: ExactCell
  notNull?: boolean
  /** Computed by the database; the source never has it. */
  generated?: boolean
  /** Takes its values from few, so that they meet and move between rows. */
  unique?: boolean
  /** Others than its kind has. */
  values?: Domain
}

export interface Reference {
  column: string
  table: string
  /** What deleting the row referred to does. */
  onDelete: 'refuse' | 'cascade' | 'set null'
}

export interface TableSpec {
  name: string
  /** Made before the first migration; null for a table that a migration makes. */
  ddl: string[] | null
  columns: ColumnSpec[]
  key: string[] | null
  /** Columns other than the key by which rows can be found. */
  otherKey: string[] | null
  /** Columns of keys and of unique values in which `a` and `A` are the same. */
  ignoresCase: string[]
  /** What is equal for equal texts there. */
  fold: (text: string) => string
  /**
   * The server alone knows that: between backups a row whose key got another spelling may show as one that went and one that
   * came.
   */
  foldsByServer: boolean
  references: Reference[]
}

/** As SQLite's NOCASE has it: ASCII letters only. */
function foldAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** A table whose other properties are none. */
export function table(spec: Partial<TableSpec> & Pick<TableSpec, 'name' | 'columns' | 'ddl' | 'key'>): TableSpec {
  return { otherKey: null, ignoresCase: [], fold: foldAscii, foldsByServer: false, references: [], ...spec }
}

export const people = table({
  name: 'people',
  ddl: [
    `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, score REAL, photo BLOB, ratio NUMERIC,
      email TEXT UNIQUE, visits INTEGER DEFAULT 7)`,
    'CREATE INDEX people_by_name ON people (name)'
  ],
  columns: [
    { name: 'id', kind: 'integer' },
    { name: 'name', kind: 'text' },
    { name: 'score', kind: 'real' },
    { name: 'photo', kind: 'blob' },
    { name: 'ratio', kind: 'numeric' },
    { name: 'email', kind: 'text', unique: true },
    { name: 'visits', kind: 'integer', defaultCell: 'integer:7' }
  ],
  key: ['id'],
  otherKey: ['email']
})

/** Its rowid is another column than its key. */
export const codes = table({
  name: 'codes',
  ddl: ["CREATE TABLE codes (code TEXT PRIMARY KEY NOT NULL, label TEXT DEFAULT 'none', weight REAL)"],
  columns: [
    { name: 'code', kind: 'text', notNull: true },
    { name: 'label', kind: 'text', defaultCell: textCell('none') },
    { name: 'weight', kind: 'real' }
  ],
  key: ['code']
})

export const pairs = table({
  name: 'pairs',
  ddl: [
    'CREATE TABLE pairs (a TEXT NOT NULL, b INTEGER NOT NULL, amount REAL, note TEXT, slot INTEGER, PRIMARY KEY (a, b))',
    'CREATE UNIQUE INDEX pairs_slot ON pairs (slot)'
  ],
  columns: [
    { name: 'a', kind: 'text', notNull: true },
    { name: 'b', kind: 'integer', notNull: true },
    { name: 'amount', kind: 'real' },
    { name: 'note', kind: 'text' },
    { name: 'slot', kind: 'integer', unique: true }
  ],
  key: ['a', 'b'],
  otherKey: ['slot']
})

export const flat = table({
  name: 'flat',
  ddl: ['CREATE TABLE flat (k TEXT PRIMARY KEY, v BLOB, n NUMERIC) WITHOUT ROWID'],
  columns: [
    { name: 'k', kind: 'text', notNull: true },
    { name: 'v', kind: 'blob' },
    { name: 'n', kind: 'numeric' }
  ],
  key: ['k']
})

export const flatPairs = table({
  name: 'flat_pairs',
  ddl: ['CREATE TABLE flat_pairs (a INTEGER, b TEXT, v TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID'],
  columns: [
    { name: 'a', kind: 'integer', notNull: true },
    { name: 'b', kind: 'text', notNull: true },
    { name: 'v', kind: 'text' }
  ],
  key: ['b', 'a']
})

export const tags = table({
  name: 'tags',
  ddl: ['CREATE TABLE tags (tag TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, label TEXT, n INTEGER)'],
  columns: [
    { name: 'tag', kind: 'text', notNull: true },
    { name: 'label', kind: 'text' },
    { name: 'n', kind: 'integer' }
  ],
  key: ['tag'],
  ignoresCase: ['tag']
})

export const flatTags = table({
  ...tags,
  name: 'flat_tags',
  ddl: ['CREATE TABLE flat_tags (tag TEXT COLLATE NOCASE PRIMARY KEY, label TEXT, n INTEGER) WITHOUT ROWID']
})

/** Found by values that have more than one spelling. */
export const measures = table({
  name: 'measures',
  ddl: [
    `CREATE TABLE measures (at REAL NOT NULL, mark BLOB NOT NULL, size NUMERIC NOT NULL, note TEXT,
      PRIMARY KEY (at, mark, size))`
  ],
  columns: [
    { name: 'at', kind: 'real', notNull: true },
    { name: 'mark', kind: 'blob', notNull: true },
    { name: 'size', kind: 'numeric', notNull: true },
    { name: 'note', kind: 'text' }
  ],
  key: ['at', 'mark', 'size']
})

/** Takes no value of another type, except in one column, which takes all as they are. */
export const strict = table({
  name: 'strict',
  ddl: ['CREATE TABLE strict (id INTEGER PRIMARY KEY, label TEXT, whatever ANY, score REAL) STRICT'],
  columns: [
    { name: 'id', kind: 'integer' },
    { name: 'label', kind: 'text' },
    { name: 'whatever', kind: 'any' },
    { name: 'score', kind: 'real' }
  ],
  key: ['id']
})

/** Cannot be told apart by any column. */
export const loose = table({
  name: 'loose',
  ddl: ['CREATE TABLE loose (a TEXT, b INTEGER, c REAL)'],
  columns: [
    { name: 'a', kind: 'text' },
    { name: 'b', kind: 'integer' },
    { name: 'c', kind: 'real' }
  ],
  key: null
})

export const parents = table({
  name: 'parents',
  ddl: ['CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL)'],
  columns: [
    { name: 'id', kind: 'integer' },
    { name: 'name', kind: 'text', notNull: true }
  ],
  key: ['id']
})

export const children = table({
  name: 'children',
  ddl: ['CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id), note TEXT)'],
  columns: [
    { name: 'id', kind: 'integer' },
    { name: 'parent', kind: 'reference' },
    { name: 'note', kind: 'text' }
  ],
  key: ['id'],
  references: [{ column: 'parent', table: 'parents', onDelete: 'refuse' }]
})

export const tree = table({
  name: 'tree',
  ddl: ['CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree (id), note TEXT)'],
  columns: [
    { name: 'id', kind: 'integer' },
    { name: 'parent', kind: 'reference' },
    { name: 'note', kind: 'text' }
  ],
  key: ['id'],
  references: [{ column: 'parent', table: 'tree', onDelete: 'refuse' }]
})

/** The database itself changes its rows when a row of `owners` goes. */
export const owners = table({
  ...parents,
  name: 'owners',
  ddl: [(parents.ddl?.[0] ?? '').replace('parents', 'owners')]
})
export const pets = table({
  ...children,
  name: 'pets',
  ddl: [
    'CREATE TABLE pets (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES owners (id) ON DELETE CASCADE, note TEXT)'
  ],
  references: [{ column: 'parent', table: 'owners', onDelete: 'cascade' }]
})
export const visits = table({
  ...children,
  name: 'visits',
  ddl: [
    'CREATE TABLE visits (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES owners (id) ON DELETE SET NULL, note TEXT)'
  ],
  references: [{ column: 'parent', table: 'owners', onDelete: 'set null' }]
})

/** Names that need quotes, and a computed column. */
export const strange = table({
  name: 'we"ird täble',
  ddl: [
    `CREATE TABLE "we""ird täble" ("order" TEXT NOT NULL, "sp ace" INTEGER, twice INTEGER AS ("sp ace" * 2) STORED,
      "select" TEXT, PRIMARY KEY ("order"))`
  ],
  columns: [
    { name: 'order', kind: 'text', notNull: true },
    { name: 'sp ace', kind: 'integer' },
    { name: 'twice', kind: 'integer', generated: true },
    { name: 'select', kind: 'text' }
  ],
  key: ['order']
})

/** Called as the history of another table would be. */
export const historyCodes = table({
  ...codes,
  name: 'history_codes',
  ddl: [(codes.ddl?.[0] ?? '').replace('codes', 'history_codes')]
})

export const made = table({
  name: 'made',
  ddl: null,
  columns: [
    { name: 'id', kind: 'integer' },
    { name: 'name', kind: 'text' },
    { name: 'score', kind: 'real' },
    { name: 'day', kind: 'date' },
    { name: 'yes', kind: 'boolean' }
  ],
  key: ['id']
})

export const madeByText = table({
  name: 'made_by_text',
  ddl: null,
  columns: [
    { name: 'title', kind: 'text' },
    { name: 'n', kind: 'numeric' },
    { name: 'b', kind: 'blob' }
  ],
  key: ['title']
})

export const madeByTwo = table({
  name: 'made_by_two',
  ddl: null,
  columns: [
    { name: 'x', kind: 'text' },
    { name: 'y', kind: 'integer' },
    { name: 'v', kind: 'text' }
  ],
  key: ['x', 'y']
})

export const madeLoose = table({
  name: 'made_loose',
  ddl: null,
  columns: [
    { name: 'p', kind: 'text' },
    { name: 'q', kind: 'real' }
  ],
  key: null
})

/** Tables that come together, because they refer to each other. */
export const GROUPS: readonly TableSpec[][] = [
  [people],
  [codes],
  [pairs],
  [flat],
  [flatPairs],
  [tags],
  [flatTags],
  [parents, children],
  [tree],
  [strange],
  [measures],
  [strict],
  [codes, historyCodes],
  [made],
  [madeByText],
  [madeByTwo]
]

/** Tables without a key: the snapshot strategy alone can take them. */
export const KEYLESS: readonly TableSpec[][] = [[loose], [madeLoose]]

/** Where the database itself changes or takes away rows; the snapshot strategy alone can take back what happens to `owners`. */
export const CASCADING: readonly TableSpec[][] = [[owners, pets, visits]]

/** By what the column holds. */
const DOMAINS: Record<Exclude<ColumnKind, 'reference'>, Domain> = {
  integer: {
    good: [
      '1',
      null,
      '2',
      '0',
      '-5',
      '007',
      '+4',
      '42.0',
      ' 8 ',
      '9007199254740992',
      '9007199254740993',
      '-9223372036854775808',
      '9223372036854775807'
    ],
    bad: ['abc', '1.5', '', '9223372036854775808', '1e400', '0x10']
  },
  real: {
    good: ['0.1', null, '1', '0', '-0', '-1.5', '1e300', '1E+2', '3.0', '.5', '5.', '1e-320', '123456789.12345678'],
    bad: ['abc', '', '1e999', 'NaN', '1,5']
  },
  numeric: {
    good: [
      '0.1',
      null,
      '5',
      '5.0',
      '-0',
      '-3.25',
      '1.5e3',
      '1e20',
      '123456789012345678',
      '9223372036854775807',
      '0.000001'
    ],
    bad: ['abc', '', '1e300', '0.1234567890123456789', '9223372036854775807.5']
  },
  text: {
    good: [
      'a',
      null,
      'b',
      'A',
      '',
      'é',
      'e\u0301',
      '日本語😀',
      `it's "q", 'x'; DROP TABLE t;--`,
      'line\nbreak',
      'car\rriage',
      'both\r\nends',
      '\ttab',
      '  blanks  ',
      '0x41',
      '007',
      '1e5',
      '12345678901234567890',
      'true',
      'NULL',
      '\\N',
      '\u0000nul\u0000',
      '\ufeffbom',
      '\u2028',
      'long '.repeat(80)
    ],
    bad: []
  },
  blob: { good: ['0x', null, '0x00', '0x00ff10', '0xDEADbeef', `0x${'ab'.repeat(60)}`], bad: ['zz', '0x1', ''] },
  date: { good: ['2024-01-02', null, '1999-12-31', '2024-02-29'], bad: ['2023-02-29', 'yesterday'] },
  boolean: { good: ['true', null, 'false'], bad: ['maybe'] },
  any: { good: ['a', null, 'b', '', 'line\nbreak'], bad: [] }
}

const UNIQUE: Record<string, Domain> = {
  text: { good: [null, 'u1', 'u2', 'u3', 'u4', 'U1'], bad: [] },
  integer: { good: [null, '1', '2', '3', '4', '9007199254740993'], bad: [] }
}

const KEYS: Record<string, Domain> = {
  integer: {
    good: ['1', '2', '3', '4', '5', '6', '-1', '0', '9007199254740992', '9007199254740993', '9223372036854775807'],
    bad: [null, 'x', '1.5']
  },
  text: {
    good: ['a', 'b', 'c', 'A', 'B', 'é', 'É', 'e\u0301', 'x"y', "o'x", 'new\nline', '日本', ' a', '1', '01', ''],
    bad: [null]
  },
  real: { good: ['1', '1.0', '0.1', '-0', '0', '0.30000000000000004', '1e300'], bad: [null, 'x'] },
  blob: { good: ['0x', '0x00', '0x0000', '0xFf', '0xff'], bad: [null, '0x0'] },
  numeric: { good: ['1', '1.0', '0.1', '-0', '1e20', '9007199254740993'], bad: [null, '1e300'] }
}

const REFERENCES: Domain = { good: [null, '1', '2', '3', '4'], bad: ['x', '77'] }

const BAD_ONE_IN = 31

/** The cell that a roll of the dice means. */
export function rawCell(spec: TableSpec, column: ColumnSpec, dice: number): string | null {
  const domain = domainOf(spec, column)
  if (dice % BAD_ONE_IN === BAD_ONE_IN - 1 && domain.bad.length > 0) {
    return domain.bad[Math.floor(dice / BAD_ONE_IN) % domain.bad.length] ?? null
  }
  return domain.good[dice % domain.good.length] ?? null
}

function domainOf(spec: TableSpec, column: ColumnSpec): Domain {
  if (column.values) return column.values
  if (spec.key?.includes(column.name)) return KEYS[column.kind] as Domain
  if (column.kind === 'reference') return REFERENCES
  return column.unique ? (UNIQUE[column.kind] as Domain) : DOMAINS[column.kind]
}

/** Values that no source could give, as SQL, for rows that were there before. */
export const ODD_VALUES = [
  "'text in a numeric column'",
  "x'00ff'",
  '1.5',
  '-0.0',
  '9e999',
  '-9223372036854775808',
  "'nul' || char(0) || 'inside'",
  'NULL'
]

export const UNDECODABLE = "CAST(x'61ff62' AS TEXT)"

/** What a column of this declared type holds of a raw cell; null when it cannot. An independent reading of the rules. */
export function stored(declared: string, cell: string | null): ExactCell | null {
  if (cell === null) return 'null'
  const type = declared.toUpperCase()
  if (type.includes('INT')) return storedInteger(cell.trim())
  if (type.includes('TEXT') || type === 'ANY') return textCell(cell)
  if (type === 'BLOB') return /^0x([0-9a-f]{2})*$/i.test(cell) ? blobCell(cell.slice(2)) : null
  if (type === 'REAL') return storedReal(cell.trim())
  if (type === 'NUMERIC') return storedNumeric(cell.trim())
  if (type === 'DATE') return isRealDate(cell) ? textCell(cell) : null
  if (type === 'BOOLEAN') return storedBoolean(cell)
  throw new Error(`the model does not know the type ${declared}`)
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

function storedInteger(text: string): ExactCell | null {
  if (!/^[+-]?\d+(\.0*)?$/.test(text)) return null
  const value = BigInt(text.replace(/\..*/, '').replace('+', ''))
  return BigInt.asIntN(64, value) === value ? `integer:${value}` : null
}

function storedReal(text: string): ExactCell | null {
  const value = Number(text)
  return NUMBER.test(text) && Number.isFinite(value) ? `real:${value + 0}` : null
}

/** Integers where they fit, else floating-point numbers of at most 15 digits. */
function storedNumeric(text: string): ExactCell | null {
  if (!NUMBER.test(text)) return null
  const [mantissa = '', exponent = '0'] = text.toLowerCase().replace('+', '').split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const scale = Math.max(fraction.length - Number(exponent), 0)
  if (Math.abs(Number(exponent)) > 100) return null
  const unscaled = BigInt(whole + fraction) * 10n ** BigInt(Math.max(Number(exponent) - fraction.length, 0))
  const divisor = 10n ** BigInt(scale)
  const integer = unscaled / divisor
  if (unscaled % divisor === 0n && BigInt.asIntN(64, integer) === integer) return `integer:${integer}`
  const digits = String(unscaled).replace('-', '').replace(/0+$/, '')
  return digits.length > 15 ? null : `real:${Number(text)}`
}

function isRealDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 10) === text
}

function storedBoolean(text: string): ExactCell | null {
  if (text === 'true') return 'integer:1'
  return text === 'false' ? 'integer:0' : null
}
