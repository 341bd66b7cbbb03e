import { openEngine } from '../../src/engines/registry.ts'
import { freshDatabase } from './servers/database.ts'
import type { EngineHost } from './suite-engine.ts'
import { COMMON_KINDS } from './suite-engine-bench.ts'

const INT64 = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n } as const
const DECIMAL = { kind: 'decimal', precision: 30, scale: 10 } as const
const bytes = new Uint8Array([0, 255])

/** The engine suite's host on one server, which each test gives a database of its own. */
export function mysqlHost(serverUrl: string): EngineHost {
  let product = ''
  return {
    async open() {
      const { url, drop } = await freshDatabase(serverUrl)
      const engine = await openEngine(url)
      product = engine.product
      return { engine, url, reopen: () => openEngine(url), remove: drop }
    },
    engineName: 'mysql',
    product: /^(MariaDB|MySQL) \d+\.\d+\.\d+$/,
    kinds: [
      ...COMMON_KINDS,
      { type: INT64, declared: 'BIGINT', readBack: INT64, formatted: 5, held: 5n },
      {
        type: DECIMAL,
        declared: 'DECIMAL(30, 10)',
        readBack: DECIMAL,
        formatted: '12345678901234567890.0123456789',
        held: '12345678901234567890.0123456789'
      },
      { type: { kind: 'double' }, declared: 'DOUBLE', readBack: { kind: 'double' }, formatted: 0.1, held: 0.1 },
      {
        type: { kind: 'text', maxLength: null },
        declared: 'LONGTEXT',
        readBack: { kind: 'text', maxLength: null },
        formatted: 'x',
        held: 'x'
      },
      {
        type: { kind: 'datetime' },
        declared: 'DATETIME(6)',
        readBack: { kind: 'datetime' },
        formatted: '2026-01-02 03:04:05.25',
        held: '2026-01-02 03:04:05.250000'
      },
      {
        type: { kind: 'time' },
        declared: 'TIME(6)',
        readBack: { kind: 'time' },
        formatted: '03:04:05',
        held: '03:04:05.000000'
      },
      { type: { kind: 'blob' }, declared: 'LONGBLOB', readBack: { kind: 'blob' }, formatted: bytes, held: bytes }
    ],
    refusingTrigger: (table, column, message) => [
      `CREATE TRIGGER refuse BEFORE INSERT ON ${table} FOR EACH ROW ` +
        `IF NEW.${column} = 'bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '${message}'; END IF`
    ],
    loggingTriggers: (table, log) =>
      ['INSERT', 'UPDATE', 'DELETE'].map(
        (what) =>
          `CREATE TRIGGER log_${what} AFTER ${what} ON ${table} FOR EACH ROW INSERT INTO ${log} VALUES ('${what.toLowerCase()}')`
      ),
    get keepsNegativeZero() {
      return product.startsWith('MySQL')
    }
  }
}
