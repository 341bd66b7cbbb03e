import type { ColumnSpec, Domain, Reference, TableSpec } from './properties-tables.ts'
import * as sqlite from './properties-tables.ts'
import { made, madeByText, madeByTwo, madeLoose, table } from './properties-tables.ts'

const SMALL: Domain = {
  good: ['1', null, '2', '0', '-5', '007', '+4', '42.0', '2147483647', '-2147483648'],
  bad: ['abc', '1.5', '', '2147483648']
}
const DECIMALS: Domain = {
  good: ['0.1', null, '5', '5.0', '-3.25', '1.5e3', '123456789012.123456', '0.000001'],
  bad: ['abc', '', '1e300', '0.1234567']
}
const MOMENTS: Domain = {
  good: ['2024-01-02 03:04:05', null, '2024-01-02 03:04:05.5', '1999-12-31T23:59:59.999999', '2024-02-29 00:00:00'],
  bad: ['2023-02-29 00:00:00', 'yesterday', '']
}
const DOCUMENTS: Domain = {
  good: ['{"a": 1}', null, '{"a":1}', '[]', '[1, 2.50, "é😀"]', 'null', '"x"', '{"b":2,"a":1}'],
  bad: ['{', 'x']
}
const INT_KEYS: Domain = {
  good: ['1', '2', '3', '4', '5', '6', '-1', '0', '2147483647'],
  bad: [null, 'x', '1.5', '2147483648']
}

const TEXT_KEYS: Domain = {
  good: ['a', 'b', 'A', 'B', 'é', 'É', 'x"y', "o'x", '日本', ' a', '1', '01', ''],
  bad: [null]
}

/** As the servers' collations have these keys. */
function fold(text: string): string {
  return text.toLowerCase()
}

/** A table that a load makes compares text without case. */
function foldingCase(spec: TableSpec): TableSpec {
  const isKey = ({ name, kind }: ColumnSpec) => kind === 'text' && spec.key?.includes(name)
  const columns = spec.columns.map((column) => (isKey(column) ? { ...column, values: TEXT_KEYS } : column))
  return { ...spec, columns, ignoresCase: columns.filter(isKey).map(({ name }) => name), fold, foldsByServer: true }
}

const id: ColumnSpec = { name: 'id', kind: 'integer', notNull: true, values: INT_KEYS }

const people = table({
  name: 'people',
  ddl: [
    `CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(400), score DOUBLE, photo BLOB, ratio DECIMAL(20, 6),
      email VARCHAR(20) UNIQUE, visits INT DEFAULT 7, KEY people_by_name (name(20)))`
  ],
  columns: [
    id,
    { name: 'name', kind: 'text' },
    { name: 'score', kind: 'real' },
    { name: 'photo', kind: 'blob' },
    { name: 'ratio', kind: 'numeric', values: DECIMALS },
    { name: 'email', kind: 'text', unique: true },
    { name: 'visits', kind: 'integer', defaultCell: 'integer:7', values: SMALL }
  ],
  key: ['id'],
  otherKey: ['email'],
  ignoresCase: ['email']
})

const codes = table({
  ...sqlite.codes,
  ddl: [
    `CREATE TABLE codes (code VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, label VARCHAR(400) DEFAULT 'none', weight DOUBLE)
      DEFAULT CHARACTER SET utf8mb4`
  ]
})

const pairs = table({
  ...sqlite.pairs,
  ddl: [
    `CREATE TABLE pairs (a VARCHAR(40) COLLATE utf8mb4_bin NOT NULL, b BIGINT NOT NULL, amount DOUBLE, note TEXT, slot BIGINT,
      PRIMARY KEY (b, a), UNIQUE KEY pairs_slot (slot)) DEFAULT CHARACTER SET utf8mb4`
  ],
  key: ['b', 'a']
})

const tags = table({
  name: 'tags',
  ddl: [
    `CREATE TABLE tags (tag VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, label TEXT, n BIGINT)
      DEFAULT CHARACTER SET utf8mb4`
  ],
  columns: [
    { name: 'tag', kind: 'text', notNull: true, values: TEXT_KEYS },
    { name: 'label', kind: 'text' },
    { name: 'n', kind: 'integer' }
  ],
  key: ['tag'],
  ignoresCase: ['tag'],
  fold,
  foldsByServer: true
})

/** Found by values that have more than one spelling. */
const measures = table({
  name: 'measures',
  ddl: [
    `CREATE TABLE measures (at DATETIME(6) NOT NULL, size DECIMAL(10, 2) NOT NULL, mark VARBINARY(8) NOT NULL, note TEXT,
      PRIMARY KEY (at, size, mark))`
  ],
  columns: [
    {
      name: 'at',
      kind: 'date',
      notNull: true,
      values: { good: ['2024-01-02 03:04:05', '2024-01-02T03:04:05.0', '1999-12-31 00:00:00.000001'], bad: [null, 'x'] }
    },
    { name: 'size', kind: 'numeric', notNull: true, values: { good: ['1', '1.0', '0.1', '-2.50'], bad: ['0.001'] } },
    { name: 'mark', kind: 'blob', notNull: true },
    { name: 'note', kind: 'text' }
  ],
  key: ['at', 'size', 'mark']
})

/** Of many types. */
const kinds = table({
  name: 'kinds',
  ddl: [
    `CREATE TABLE kinds (id INT PRIMARY KEY, amount DECIMAL(20, 6), at DATETIME(6), data BLOB, doc JSON, flags BIT(5),
      size ENUM('small', 'MEDIUM', 'größer'), big BIGINT UNSIGNED) DEFAULT CHARACTER SET utf8mb4`
  ],
  columns: [
    id,
    { name: 'amount', kind: 'numeric', values: DECIMALS },
    { name: 'at', kind: 'date', values: MOMENTS },
    { name: 'data', kind: 'blob' },
    { name: 'doc', kind: 'text', values: DOCUMENTS },
    { name: 'flags', kind: 'integer', values: { good: ['0', null, '1', '21', '31'], bad: ['32', '-1', 'x'] } },
    { name: 'size', kind: 'text', values: { good: ['small', null, 'MEDIUM', 'größer'], bad: ['medium', '', 'x'] } },
    {
      name: 'big',
      kind: 'integer',
      values: { good: ['0', null, '9007199254740993', '18446744073709551615'], bad: ['-1', '18446744073709551616'] }
    }
  ],
  key: ['id']
})

const loose = table({ ...sqlite.loose, ddl: ['CREATE TABLE loose (a VARCHAR(400), b BIGINT, c DOUBLE)'] })

const parents = table({
  name: 'parents',
  ddl: ['CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(400) NOT NULL)'],
  columns: [id, { name: 'name', kind: 'text', notNull: true }],
  key: ['id']
})

/** A table whose rows refer to those of another, or of itself. */
function referring(name: string, parents: string, onDelete: Reference['onDelete']): TableSpec {
  const rule = onDelete === 'refuse' ? '' : ` ON DELETE ${onDelete.toUpperCase()}`
  return table({
    name,
    ddl: [
      `CREATE TABLE ${name} (id INT PRIMARY KEY, parent INT, note TEXT, FOREIGN KEY (parent) REFERENCES ${parents} (id)${rule})`
    ],
    columns: [id, { name: 'parent', kind: 'reference' }, { name: 'note', kind: 'text' }],
    key: ['id'],
    references: [{ column: 'parent', table: parents, onDelete }]
  })
}

const children = referring('children', 'parents', 'refuse')
const tree = referring('tree', 'tree', 'refuse')

/** The database itself changes its rows when a row of `owners` goes. */
const owners = table({
  ...parents,
  name: 'owners',
  ddl: ['CREATE TABLE owners (id INT PRIMARY KEY, name VARCHAR(400) NOT NULL)']
})

const pets = referring('pets', 'owners', 'cascade')
const visits = referring('visits', 'owners', 'set null')

/** Names that need quotes, and a computed column. */
const strange = table({
  name: 'we`ird "täble"',
  ddl: [
    `CREATE TABLE \`we\`\`ird "täble"\` (\`order\` VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, \`sp ace\` INT,
      twice BIGINT AS (\`sp ace\` * 2) STORED, \`select\` TEXT) DEFAULT CHARACTER SET utf8mb4`
  ],
  columns: [
    { name: 'order', kind: 'text', notNull: true },
    { name: 'sp ace', kind: 'integer', values: SMALL },
    { name: 'twice', kind: 'integer', generated: true },
    { name: 'select', kind: 'text' }
  ],
  key: ['order']
})

export const MYSQL_GROUPS: readonly TableSpec[][] = [
  [people],
  [codes],
  [pairs],
  [tags],
  [measures],
  [kinds],
  [parents, children],
  [tree],
  [strange],
  [made],
  [foldingCase(madeByText)],
  [foldingCase(madeByTwo)]
]

export const MYSQL_KEYLESS: readonly TableSpec[][] = [[loose], [madeLoose]]

export const MYSQL_CASCADING: readonly TableSpec[][] = [[owners, pets, visits]]
