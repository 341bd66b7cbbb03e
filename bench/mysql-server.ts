import { execFileSync } from 'node:child_process'
// The servers of the tests serve here too: private, and gone when this process ends.
import { findServer } from '../test/support/servers/find.ts'
import { startMariadb } from '../test/support/servers/mariadb.ts'
import type { DatabaseServer } from '../test/support/servers/private-server.ts'
import type { Measurement } from './measure.ts'
import { runProgram } from './measure.ts'

const DATABASE = 'rowback_bench'
/** For what is to be compared with a table that has many versions. */
export const FRESH_DATABASE = `${DATABASE}_fresh`
const COLUMNS = ['id', 'code', 'name', 'city', 'amount', 'quantity', 'updated_on', 'note']
const TABLE = `CREATE TABLE orders (
  id INT NOT NULL, code VARCHAR(20), name VARCHAR(60), city VARCHAR(60), amount DECIMAL(12,2), quantity INT,
  updated_on DATE, note VARCHAR(255), PRIMARY KEY (id), KEY orders_by_code (code)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4`

/** The server that ROWBACK_TEST_MYSQL_URL names, else a private MariaDB that keeps the whole table in memory. */
export async function openServer(): Promise<BenchServer> {
  const server = process.env.ROWBACK_TEST_MYSQL_URL
    ? await findServer()
    : await startMariadb({ extra: ['--innodb-buffer-pool-size=1G'] })
  return new BenchServer(server!)
}

/** A server and what the stock client does with it. */
export class BenchServer {
  readonly product: string
  /** The database of the benchmark, for `rowback --target`. */
  readonly target: string
  readonly #server: DatabaseServer
  readonly #url: URL
  readonly #login: string[]

  constructor(server: DatabaseServer) {
    const url = new URL(server.url)
    process.env.MYSQL_PWD = decodeURIComponent(url.password)
    this.#login = [`--host=${url.hostname}`, `--port=${url.port || 3306}`, `--user=${decodeURIComponent(url.username)}`]
    this.product = server.product
    this.#server = server
    this.#url = url
    this.target = this.#targetOf(DATABASE)
  }

  /** Makes the database anew, without a table. */
  clear(database = DATABASE): void {
    this.#ask(`DROP DATABASE IF EXISTS ${database}; DROP DATABASE IF EXISTS ${database}_rowback;
      CREATE DATABASE ${database} CHARACTER SET utf8mb4`)
  }

  /** Makes the database anew, with the empty table and its secondary index. @returns its target */
  makeTable(database = DATABASE): string {
    this.clear(database)
    this.#ask(TABLE, database)
    return this.#targetOf(database)
  }

  /** `LOAD DATA LOCAL` of a CSV. */
  loadData(csv: string): Measurement {
    const sql = `LOAD DATA LOCAL INFILE '${csv}' INTO TABLE orders CHARACTER SET utf8mb4
      FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\\n' IGNORE 1 LINES`
    return runProgram('mariadb', [...this.#login, '--local-infile=1', '-e', sql, DATABASE], '/')
  }

  /** Writes a dump of the table to a file. */
  dump(file: string): Measurement {
    return runProgram('mariadb-dump', [...this.#login, `--result-file=${file}`, DATABASE, 'orders'], '/')
  }

  /** Writes a dump of the table, compressed. */
  dumpCompressed(file: string): Measurement {
    const command = `mariadb-dump ${this.#login.join(' ')} ${DATABASE} orders | zstd -3 -q -f -o ${file}`
    return runProgram('bash', ['-o', 'pipefail', '-c', command], '/')
  }

  restore(file: string): Measurement {
    return runProgram('mariadb', [...this.#login, DATABASE], '/', file)
  }

  /** Changes rows as somebody else would. @param where a condition */
  change(where: string): void {
    this.#ask(`UPDATE orders SET quantity = quantity + 1, note = CONCAT(note, ' x') WHERE ${where}`, DATABASE)
  }

  /** Another, empty database. @returns its target */
  emptyDatabase(name: string): string {
    this.clear(name)
    return this.#targetOf(name)
  }

  /** The number of rows and a sum over their content. */
  fingerprint(database = DATABASE): string {
    return this.#ask(`SELECT COUNT(*), SUM(CRC32(CONCAT_WS(',', ${COLUMNS.join(', ')}))) FROM orders`, database)
  }

  bufferPool(): number {
    return Number(this.#ask('SELECT @@innodb_buffer_pool_size'))
  }

  async stop(): Promise<void> {
    const names = [DATABASE, FRESH_DATABASE, `${DATABASE}_restored`]
    this.#ask(
      names.map((name) => `DROP DATABASE IF EXISTS ${name}; DROP DATABASE IF EXISTS ${name}_rowback`).join('; ')
    )
    await this.#server.stop()
  }

  /** Runs SQL in the database of the benchmark. @returns what it prints */
  ask(sql: string): string {
    return this.#ask(sql, DATABASE)
  }

  #targetOf(database: string): string {
    const url = new URL(this.#url)
    url.pathname = `/${database}`
    return url.href
  }

  #ask(sql: string, ...database: string[]): string {
    const args = [...this.#login, '--default-character-set=utf8mb4', '--skip-column-names', '-e', sql, ...database]
    return execFileSync('mariadb', args, { encoding: 'utf8' }).trim()
  }
}
