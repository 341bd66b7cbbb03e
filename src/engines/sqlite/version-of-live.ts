import type { Engine } from '../engine.ts'
import { VERSION_COLUMN } from '../engine.ts'

/** So many rows are sooner looked up one by one than all rows of a table are read. */
const FEW = 200

/**
 * How a condition names the version of live rows so that those up to `version` are found soon. SQLite keeps no statistics
 * unless it is told to, takes any range for a quarter of the table, and would look nearly all rows up by the index, which
 * takes several times as long as to read them. The sign keeps it from that: https://sqlite.org/optoverview.html#uplus
 * @param live the quoted place of the table
 */
export async function versionOfLive(engine: Pick<Engine, 'query'>, live: string, version: number): Promise<string> {
  const some = `SELECT 1 FROM ${live} WHERE ${VERSION_COLUMN} <= ? LIMIT ${FEW}`
  const { rows } = await engine.query(`SELECT count(*) FROM (${some})`, [BigInt(version)])
  return Number(rows[0]?.[0]) < FEW ? VERSION_COLUMN : `+${VERSION_COLUMN}`
}
