import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEngine } from '../../src/engines/registry.ts'
import type { EngineHost } from '../support/suite-engine.ts'
import { engineConformance } from '../support/suite-engine.ts'
import { COMMON_KINDS } from '../support/suite-engine-bench.ts'

const INT64 = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n } as const
const bytes = new Uint8Array([0, 255])

const sqlite: EngineHost = {
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'rowback-sqlite-'))
    const url = `sqlite:${join(folder, 'pets.db')}`
    return {
      engine: await openEngine(url),
      url,
      reopen: () => openEngine(url),
      remove: () => rm(folder, { recursive: true })
    }
  },
  engineName: 'sqlite',
  product: /^SQLite 3\.\d+\.\d+$/,
  kinds: [
    ...COMMON_KINDS,
    { type: INT64, declared: 'INTEGER', readBack: INT64, formatted: 5, held: 5n },
    {
      type: { kind: 'decimal', precision: 10, scale: 2 },
      declared: 'DECIMAL(10, 2)',
      readBack: { kind: 'decimal', precision: 10, scale: 2 },
      formatted: 12.5,
      held: 12.5
    },
    {
      type: { kind: 'decimal', precision: 30, scale: 10 },
      declared: 'TEXT',
      readBack: { kind: 'text', maxLength: null },
      formatted: '12345678901234567890.0123456789',
      held: '12345678901234567890.0123456789'
    },
    { type: { kind: 'double' }, declared: 'REAL', readBack: { kind: 'double' }, formatted: 0.1, held: 0.1 },
    {
      type: { kind: 'text', maxLength: null },
      declared: 'TEXT',
      readBack: { kind: 'text', maxLength: null },
      formatted: 'x',
      held: 'x'
    },
    {
      type: { kind: 'datetime' },
      declared: 'DATETIME',
      readBack: { kind: 'datetime' },
      formatted: '2026-01-02 03:04:05.25',
      held: '2026-01-02 03:04:05.25'
    },
    { type: { kind: 'time' }, declared: 'TIME', readBack: { kind: 'time' }, formatted: '03:04:05', held: '03:04:05' },
    { type: { kind: 'blob' }, declared: 'BLOB', readBack: { kind: 'blob' }, formatted: bytes, held: bytes }
  ],
  refusingTrigger: (table, column, message) => [
    `CREATE TRIGGER refuse BEFORE INSERT ON ${table} WHEN NEW.${column} = 'bad' ` +
      `BEGIN SELECT RAISE(ABORT, '${message}'); END`
  ],
  loggingTriggers: (table, log) =>
    ['insert', 'update', 'delete'].map(
      (what) => `CREATE TRIGGER log_${what} AFTER ${what} ON ${table} BEGIN INSERT INTO ${log} VALUES ('${what}'); END`
    ),
  keepsNegativeZero: false
}

engineConformance('SQLite', sqlite)
