import { describe, inject } from 'vitest'
import { MysqlBench } from '../support/mysql-bench.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import type { ExecHost, ExecShop } from '../support/suite-exec.ts'
import { execTests } from '../support/suite-exec.ts'

const server = inject('mysqlUrl')

async function openShop(): Promise<ExecShop & { bench: MysqlBench }> {
  const bench = await MysqlBench.make(server as string)
  return {
    bench,
    db: bench.db,
    place: bench.place,
    url: bench.url,
    sql: (...statements) => bench.sql(...statements),
    rows: (query) => bench.rows(query),
    remove: () => bench.remove()
  }
}

const mysql: ExecHost = {
  open: openShop,
  loggingTriggers: ['INSERT', 'UPDATE', 'DELETE'].map(
    (what) => `CREATE TRIGGER log_${what} AFTER ${what} ON orders FOR EACH ROW INSERT INTO log VALUES ('${what}')`
  ),
  writableView: ["CREATE VIEW romans AS SELECT * FROM customers WHERE city = 'Rome'"],
  ignoringCase: 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci',
  refused: [
    ['TRUNCATE t', /TRUNCATE: it changes the schema/],
    ['SET autocommit = 1', /SET .*changes the session/],
    ['SET @a = 1, @@session.sql_log_bin = 0', /SET .*changes the session/],
    ['LOCK TABLES t WRITE', /LOCK/],
    ['USE mysql', /USE/],
    ['CALL something()', /may commit/],
    ["PREPARE x FROM 'DROP TABLE t'", /PREPARE/],
    ["SELECT 'x' INTO OUTFILE '/tmp/x'", /writes a file/],
    ["LOAD DATA INFILE 'x' INTO TABLE t", /LOAD/],
    ['/*!50000 DROP TABLE t */', /comment/],
    ['SELECT RELEASE_ALL_LOCKS()', /locks/],
    ['UPDATE mysql.user SET user = 1', /mysql is another database/],
    ['BEGIN NOT ATOMIC DELETE FROM t; END', /one transaction/],
    ['SET STATEMENT max_statement_time=1 FOR DELETE FROM t', /SET/]
  ]
}

describe.skipIf(server === null)(`MySQL (${HOW_TO_PROVIDE}): a script of SQL as a version,`, () => {
  execTests(mysql)
})
