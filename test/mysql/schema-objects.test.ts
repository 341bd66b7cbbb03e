import { createConnection } from 'mysql2/promise'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Engine } from '../../src/engines/engine.ts'
import { openEngine } from '../../src/engines/registry.ts'
import type { SchemaObject } from '../../src/model/schema-object.ts'
import { open } from '../../src/rowback.ts'
import type { Manifest } from '../../src/store/manifest.ts'
import { Repository } from '../../src/store/repository.ts'
import { restoreSchemaObjects } from '../../src/strategies/schema-objects.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop, urlFor } from '../support/mysql-shop.ts'
import type { FreshDatabase } from '../support/servers/database.ts'
import { freshDatabase } from '../support/servers/database.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
let shop: MysqlShop
let other: FreshDatabase
let engine: Engine
let isMariadb: boolean

async function sql(...statements: string[]): Promise<void> {
  for (const statement of statements) await shop.sql.query(statement)
}

async function withDb<T>(work: (db: Awaited<ReturnType<typeof open>>) => Promise<T>): Promise<T> {
  const db = await open({ target: shop.database.url, repository: shop.place.at('.rowback'), author: 'tester' })
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

async function load(name: string): Promise<void> {
  const source = await shop.place.write('t.csv', `id,name\n1,${name}\n`)
  await withDb((db) => db.migrate({ source, table: 't', description: name }))
}

async function manifest(): Promise<Manifest> {
  const [[identity]] = (await shop.rows(
    `SELECT value FROM ${shop.database.name}_rowback.rowback_meta WHERE name = 'database'`
  )) as [[string]]
  const backups = await (await Repository.open(shop.place.at('.rowback'), identity)).backups()
  return backups.at(-1)?.manifest as Manifest
}

/** Makes the tables and objects of the newest backup in the other database, and gives a session there. */
async function restore(url = other.url): Promise<{ notes: string[]; rows: (query: string) => Promise<unknown[][]> }> {
  const { tables, objects = [] } = await manifest()
  const target = await openEngine(url)
  const isSequence = (object: SchemaObject) => object.kind === 'sequence'
  const notes = await restoreSchemaObjects(target, objects.filter(isSequence))
  for (const table of tables) for (const statement of table.ddl) await target.run(statement)
  notes.push(
    ...(await restoreSchemaObjects(
      target,
      objects.filter((object) => !isSequence(object))
    ))
  )
  await target.close()
  const rows = async (query: string) => {
    const session = await createConnection({ uri: other.url, rowsAsArray: true, typeCast: (field) => field.string() })
    try {
      const [answer] = await session.query(query)
      return answer as unknown as unknown[][]
    } finally {
      await session.end()
    }
  }
  return { notes, rows }
}

/** What SHOW CREATE says of an object in either database, as its own database's session sees it. */
async function sameAsBefore(what: string, rows: (query: string) => Promise<unknown[][]>): Promise<void> {
  const qualifier = `\`${shop.database.name}\`.`
  const before = (await shop.rows(`SHOW CREATE ${what}`)).map((row) =>
    row.map((cell) => cell?.replaceAll(qualifier, '') ?? null)
  )
  expect(await rows(`SHOW CREATE ${what}`)).toEqual(before)
}

const tests = () => {
  beforeEach(async () => {
    shop = await openShop(server as string)
    other = await freshDatabase(server as string)
    engine = await openEngine(shop.database.url)
    isMariadb = engine.product.startsWith('MariaDB')
    await sql('CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(40))', "INSERT INTO t VALUES (1, 'Ann'), (2, 'Bob')")
  })
  afterEach(async () => {
    await engine.close()
    await other.drop()
    await shop.remove()
  })

  test('views on views, and a function that a view uses, are made again in another database', async () => {
    const { name } = shop.database
    await sql(
      `CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2`,
      'CREATE VIEW zz AS SELECT id, twice(id) AS double_id, name FROM t',
      `CREATE VIEW aa AS SELECT zz.id, ${name}.twice(zz.double_id) AS four FROM ${name}.zz JOIN t USING (id)`,
      'CREATE VIEW mm AS SELECT four FROM aa WHERE id > 1 WITH CHECK OPTION',
      `CREATE ALGORITHM = MERGE SQL SECURITY INVOKER VIEW \`odd "'näme\` AS SELECT 'é "quoted" \`ticks\`' AS label, \`${name}\`.t.id FROM t`
    ).catch(async (error: Error) => {
      // A view over a join takes no WITH CHECK OPTION on every server.
      if (!/CHECK OPTION/.test(error.message)) throw error
    })
    await load('Eve')
    const kept = (await manifest()).objects ?? []
    expect(kept.map((object) => object.name).indexOf('zz')).toBeLessThan(kept.map(({ name }) => name).indexOf('aa'))
    expect(JSON.stringify(kept)).not.toContain(name)

    const { notes, rows } = await restore()
    expect(notes).toEqual([])
    await sql("UPDATE t SET name = 'elsewhere'")
    await (await openEngine(other.url)).run("INSERT INTO t VALUES (7, 'Gus')")
    expect(await rows('SELECT * FROM aa')).toEqual([['7', '28']])
    expect(await rows('SELECT * FROM zz')).toEqual([['7', '14', 'Gus']])
    for (const view of kept.filter(({ kind }) => kind === 'view')) {
      await sameAsBefore(`VIEW \`${view.name}\``, rows)
    }
  })

  test('a view that also looks into another database follows its own one only', async () => {
    const { name } = shop.database
    await sql(
      `CREATE VIEW both_places AS SELECT t.id, s.SCHEMA_NAME, '\`${name}\`.t' AS text FROM t JOIN information_schema.SCHEMATA s ON s.SCHEMA_NAME = '${name}'`
    )
    await load('Eve')
    const { notes, rows } = await restore()
    expect(notes).toEqual([])
    await sql('DROP TABLE t')
    expect(await rows('SELECT * FROM both_places')).toEqual([])
    await (await openEngine(other.url)).run("INSERT INTO t VALUES (7, 'Gus')")
    expect(await rows('SELECT * FROM both_places')).toEqual([['7', name, `\`${name}\`.t`]])
  })

  test('a view in which an alias bears the name of the database keeps its text, and works', async () => {
    const { name } = shop.database
    await sql(`CREATE VIEW v AS SELECT \`${name}\`.id FROM t AS \`${name}\``)
    await load('Eve')
    const { notes, rows } = await restore()
    expect(notes).toEqual([`The view v names the database ${name} in its text; it still means that one.`])
    expect(await rows('SELECT count(*) FROM v')).toEqual([['0']])
    expect((await rows('SHOW CREATE VIEW v'))[0]?.[1]).toBe((await shop.rows('SHOW CREATE VIEW v'))[0]?.[1])
  })

  test('procedures, triggers and events with their sql_mode, character sets, comments and quotes', async () => {
    await sql(
      "SET NAMES latin1 COLLATE latin1_german1_ci, sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT', time_zone = '+02:00'",
      `CREATE PROCEDURE "two steps"(IN "a""b" VARCHAR(20), OUT n INT) COMMENT 'it''s two'
        BEGIN
          /* one; ' two */ DECLARE x INT DEFAULT 0; -- it's x
          INSERT INTO t VALUES (50, "a""b" || ';' || 'é');
          SELECT count(*) INTO n FROM "t";
        END`,
      'SET NAMES utf8mb4',
      `CREATE FUNCTION greet("who" VARCHAR(20)) RETURNS VARCHAR(40) NO SQL RETURN '你好 😀 ' || "who"`,
      `CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW BEGIN /* "x" ' */ SET NEW.name = NEW.name || ' \`q\` "日本"'; -- end
        END`,
      `CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2031-02-03 04:05:06' ON COMPLETION PRESERVE DISABLE COMMENT 'täglich'
        DO BEGIN DELETE FROM "t" WHERE "id" = -1; END`,
      "SET sql_mode = DEFAULT, time_zone = '+00:00'"
    )
    await load('Eve')
    const { notes, rows } = await restore()
    expect(notes).toEqual(['The procedure two steps was made in the character set utf8mb4 of the client.'])
    await sameAsBefore('FUNCTION greet', rows)
    await sameAsBefore('EVENT tidy', rows)
    const [before] = await shop.rows('SHOW CREATE PROCEDURE `two steps`')
    const [after] = await rows('SHOW CREATE PROCEDURE `two steps`')
    expect([after?.[1], after?.[2], after?.[4]]).toEqual([before?.[1], before?.[2], before?.[4]])
    expect(await rows("SELECT greet('x')")).toEqual([['你好 😀 x']])
    await rows("CALL `two steps`('p', @n)")
    expect(await rows('SELECT name FROM t')).toEqual([['p;é `q` "日本"']])
  })

  test('a plain client in another character set is kept', async () => {
    await sql(
      'SET NAMES latin1',
      "CREATE PROCEDURE p() SELECT 'plain'",
      'SET NAMES utf8mb4',
      'CREATE DATABASE IF NOT EXISTS unused_by_this_test'
    )
    await sql('DROP DATABASE unused_by_this_test', `ALTER DATABASE ${other.name} COLLATE latin1_general_cs`)
    await load('Eve')
    const { notes, rows } = await restore()
    expect(notes).toEqual([])
    await sameAsBefore('PROCEDURE p', rows)
    expect(await rows('SELECT @@collation_database')).toEqual([['latin1_general_cs']])
  })

  test('sequences go on where they stood, and tables draw from them', async (context) => {
    if (!isMariadb) return context.skip()
    await sql(
      'CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 2 NOCACHE',
      'DO NEXTVAL(numbers)',
      'DO NEXTVAL(numbers)',
      'CREATE SEQUENCE round START WITH 1 MINVALUE 1 MAXVALUE 2 NOCACHE CYCLE',
      'DO NEXTVAL(round)',
      'DO NEXTVAL(round)',
      'DO NEXTVAL(round)'
    )
    await load('Eve')
    const { notes, rows } = await restore()
    expect(notes).toEqual([])
    expect(await rows('SELECT * FROM numbers')).toEqual(await shop.rows('SELECT * FROM numbers'))
    expect(await rows('SELECT * FROM round')).toEqual(await shop.rows('SELECT * FROM round'))
    expect(await rows('SELECT NEXTVAL(numbers)')).toEqual([['9']])
    await sameAsBefore('SEQUENCE numbers', rows)
  })

  test('packages, the specification before the body', async (context) => {
    if (!isMariadb) return context.skip()
    await sql(
      'SET sql_mode = ORACLE',
      'CREATE PACKAGE p AS FUNCTION five RETURN INT; END',
      'CREATE PACKAGE BODY p AS FUNCTION five RETURN INT AS BEGIN RETURN 5; END; END',
      'SET sql_mode = DEFAULT'
    )
    await load('Eve')
    const { notes, rows } = await restore()
    expect(notes).toEqual([])
    await sameAsBefore('PACKAGE p', rows)
    await sameAsBefore('PACKAGE BODY p', rows)
  })

  test('bookkeeping is no schema object', async () => {
    const source = await shop.place.write('t.csv', 'id,name\n1,Eve\n')
    await withDb((db) => db.migrate({ source, table: 't', description: 'tracked', strategy: 'incremental' }))
    expect(await shop.rows("SHOW FULL TABLES WHERE Table_type = 'VIEW'")).toEqual([['rowback_version', 'VIEW']])
    expect(await engine.schemaObjects()).toEqual({ objects: [], notes: [] })
  })

  test('a view that lost its table could not be made, and is told by name', async () => {
    await sql('CREATE TABLE gone (id INT)', 'CREATE VIEW broken AS SELECT id FROM gone', 'DROP TABLE gone')
    await load('Eve')
    const { notes } = await restore()
    expect(notes).toHaveLength(1)
    expect(notes[0]).toMatch(/^The view broken could not be made: .*gone/)
  })

  describe('a user with few privileges', () => {
    const user = () => `${shop.database.name}_u`
    afterEach(async () => {
      await sql(`DROP USER IF EXISTS '${user()}'@'%'`)
    })

    async function userUrl(base: FreshDatabase, ...grants: string[]): Promise<string> {
      await sql(`CREATE USER IF NOT EXISTS '${user()}'@'%' IDENTIFIED BY 's3cret'`)
      for (const grant of grants) await sql(`GRANT ${grant} TO '${user()}'@'%'`)
      return urlFor(base.url, { user: user(), password: 's3cret' })
    }

    test('is told which routine the backup could not keep', async () => {
      await sql("CREATE PROCEDURE secret() SELECT 'x'", 'CREATE VIEW v AS SELECT id FROM t')
      const { name } = shop.database
      const url = await userUrl(
        shop.database,
        `SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES, TRIGGER, EXECUTE, CREATE TEMPORARY TABLES ON ${name}.*`,
        `ALL ON ${name}_rowback.*`
      )
      await shop.place.write('rowback.yaml', `target: ${url}\n`)
      await shop.place.write('t.csv', 'id,name\n1,Eve\n')
      const loaded = await shop.place.json<{ notes: string[] }>(['migrate', 't.csv', '-m', 'x'])
      const made = await shop.place.json<{ notes: string[]; objects: number }>(['backup', 'create'])
      expect(made.objects).toBe(0)
      expect(made.notes).toEqual([
        'The procedure secret is not kept in backups: the server shows its text only to root@%, or to a user with more privileges.'.replace(
          'root@%',
          String((await shop.rows('SELECT CURRENT_USER()'))[0]?.[0])
        ),
        expect.stringMatching(/^The view v is not kept in backups: .*lacks a privilege/)
      ])
      expect(loaded.notes).toEqual(expect.arrayContaining(made.notes))
      const shown = await shop.place.run(['backup', 'create'])
      expect(shown.stdout).toContain('The procedure secret is not kept')
      // What a user cannot see did not change.
      await shop.place.write('t.csv', 'id,name\n1,Fay\n')
      await shop.place.json(['migrate', 't.csv', '-m', 'y'])
      expect((await shop.place.json<{ notes: string[] }>(['rollback', '1'])).notes).toEqual([])
    })

    test('who may not name definers gets the objects as their own, and is told', async () => {
      await sql('CREATE VIEW v AS SELECT id FROM t', 'CREATE FUNCTION f() RETURNS INT NO SQL RETURN 1')
      await load('Eve')
      await sql('SET GLOBAL log_bin_trust_function_creators = 1')
      const url = await userUrl(other, `ALL ON ${other.name}.*`)
      const [[root]] = (await shop.rows('SELECT CURRENT_USER()')) as [[string]]
      const { notes, rows } = await restore(url)
      expect(notes).toEqual(
        ['function f', 'view v'].map(
          (what) => `The ${what} belonged to ${root}, in whose name this user may not make any: it is this user's now.`
        )
      )
      expect(await rows('SELECT f()')).toEqual([['1']])
      expect(await rows(`SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '${other.name}'`)).toEqual([
        [`${user()}@%`]
      ])
    })
  })

  test('a rollback leaves them as they are, and names those that changed', async () => {
    await sql(
      'CREATE VIEW same AS SELECT id FROM t',
      'CREATE VIEW changed AS SELECT id FROM t',
      'CREATE VIEW gone AS SELECT id FROM t',
      'CREATE PROCEDURE p() SELECT 1'
    )
    if (isMariadb) await sql('CREATE SEQUENCE numbers')
    await load('Eve')
    await sql(
      'CREATE OR REPLACE VIEW changed AS SELECT name FROM t',
      'DROP VIEW gone',
      'CREATE VIEW newer AS SELECT name FROM t',
      'DROP PROCEDURE p',
      'CREATE PROCEDURE p() SELECT 2'
    )
    if (isMariadb) await sql('DO NEXTVAL(numbers)')
    const expected = [
      'The procedure p was changed since; it is left as it is.',
      'The view changed was changed since; it is left as it is.',
      'The view newer was made since; it is left as it is.',
      'The view gone was dropped since; it is not made again.'
    ]
    await withDb(async (db) => {
      expect((await db.rollback(0, { dryRun: true })).notes).toEqual(expected)
      expect((await db.rollback(0)).notes).toEqual(expected)
    })
    expect(await shop.rows('SELECT * FROM changed ORDER BY 1')).toEqual([['Ann'], ['Bob']])
    expect(await shop.rows("SHOW TABLES LIKE 'gone'")).toEqual([])
  })
}

describe('schema objects', () => {
  if (server === null) test.skip(HOW_TO_PROVIDE)
  else tests()
})
