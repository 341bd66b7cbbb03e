import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'mysql2/promise'
import { createConnection } from 'mysql2/promise'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open, RowbackError } from '../../src/index.ts'
import { Workplace } from '../support/cli.ts'
import { mysqlHost } from '../support/mysql-host.ts'
import type { FreshDatabase } from '../support/servers/database.ts'
import { freshDatabase } from '../support/servers/database.ts'
import { engineConformance } from '../support/suite-engine.ts'
import { startCluster } from './start-cluster.ts'

const cluster = await startCluster()
const [first, second, third] = cluster.nodes as [Node, Node, Node]

type Node = (typeof cluster.nodes)[number]
type Migration = Parameters<Rowback['migrate']>[0]
/** The code of what was thrown; `done` where nothing was. */
type Outcome = { code: string; exit: number; version: number | null }

const ROUNDS_SAME_TABLE = 20
const ROUNDS_OTHER_TABLE = 10

beforeAll(async () => {
  // Reads of a test see what another node has committed.
  for (const node of cluster.nodes) await onNode(node.url, (sql) => sql.query('SET GLOBAL wsrep_sync_wait = 1'))
})

afterAll(() => cluster.stop())

// A run writes to its ledger entry before its first row. The suite has no ledger, and MariaDB 10.11.19 then stops the
// cluster when rows are refused (docs/engines.md, "Clusters"): what runs through the ledger is below.
engineConformance('MySQL on a Galera cluster', mysqlHost(first.url), 'core')

describe('rowback through the nodes of a Galera cluster', () => {
  let database: FreshDatabase
  let place: Workplace
  const opened: Rowback[] = []
  const sessions: Connection[] = []

  beforeEach(async () => {
    database = await freshDatabase(first.url)
    place = await Workplace.make('rowback-cluster-')
    await onNode(database.url, async (sql) => {
      await sql.query('CREATE TABLE goods (id INT PRIMARY KEY, note VARCHAR(40))')
      await sql.query("INSERT INTO goods VALUES (1, 'old')")
      await sql.query('CREATE TABLE other LIKE goods')
    })
    for (const node of cluster.nodes) await untilThere(node)
  })

  afterEach(async () => {
    for (const db of opened.splice(0)) await db.close().catch(() => {})
    for (const session of sessions.splice(0)) session.destroy()
    await database.drop().catch(() => {})
    await place.remove()
  })

  test.each(['snapshot', 'incremental'] as const)('all nodes show the same versions and rows: %s', async (strategy) => {
    const a = await through(first)
    await a.migrate({ ...(await load('a', 5)), strategy })
    const b = await through(second)
    await b.migrate({ ...(await load('b', 3)), mode: 'mirror', strategy })
    expect(await goods(third)).toEqual(['1=b 1', '2=b 2', '3=b 3'])
    await (await through(third)).rollback(1)
    expect(await goods(second)).toEqual(['1=a 1', '2=a 2', '3=a 3', '4=a 4', '5=a 5'])
    await a.rollback(0)
    expect((await a.diff(1, 2)).tables).toEqual((await b.diff(1, 2)).tables)
    await expectWhole([
      [0, 'what was there before the first version'],
      [1, 'a'],
      [2, 'b'],
      [3, 'rollback to 1'],
      [4, 'rollback to 0']
    ])
    expect(await goods(third)).toEqual(['1=old'])
  })

  test('another node sees a version whole or not at all', async () => {
    const a = await through(first)
    await a.migrate(await load('a', 3))
    const b = await through(second)
    const seen = new Set<string>()
    const run = a.migrate({ ...(await load('b', 20_000)), mode: 'mirror' })
    let isOver = false
    const ended = run.finally(() => {
      isOver = true
    })
    while (!isOver) {
      const { rows } = await b.query('SELECT count(*), min(note), max(note) FROM goods')
      seen.add(rows.join())
    }
    await ended
    for (const state of seen) expect(['3,a 1,a 3', '20000,b 1,b 9999']).toContain(state)
  })

  describe('two migrations at the same time', () => {
    let a: Rowback
    let b: Rowback

    beforeEach(async () => {
      a = await through(first, 'a')
      b = await through(second, 'b')
    })

    test('into the same table: one after the other, or one gives way', async () => {
      await a.migrate(await load('start', 4))
      const [fromA, fromB] = [await load('a', 4), await load('b', 4)]
      for (let round = 0; round < ROUNDS_SAME_TABLE; round++) {
        const outcomes = await Promise.all([outcomeOf(a.migrate(fromA)), late(round, () => b.migrate(fromB))])
        expectGivenWay(outcomes)
        await expectDataOfHead()
      }
    })

    test('into different tables: one after the other, or one gives way', async () => {
      await a.migrate(await load('start', 4))
      for (let round = 0; round < ROUNDS_OTHER_TABLE; round++) {
        const [fromA, fromB] = [await load(`a${round}`, 4), await load(`b${round}`, 4, 'other')]
        const outcomes = await Promise.all([outcomeOf(a.migrate(fromA)), late(round, () => b.migrate(fromB))])
        expectGivenWay(outcomes)
        await expectWhole()
        await expectRows('goods', outcomes[0], `a${round}`)
        await expectRows('other', outcomes[1], `b${round}`)
      }
    })

    test('that make the ledger: it is made once', async () => {
      const outcomes = await Promise.all([
        outcomeOf(a.migrate(await load('a', 4))),
        outcomeOf(b.migrate(await load('b', 4)))
      ])
      expectGivenWay(outcomes)
      await expectDataOfHead()
    })

    test('that begin to track the same table: it is tracked once, or not at all', async () => {
      await a.migrate(await load('start', 4))
      for (let round = 0; round < 5; round++) {
        const [fromA, fromB] = [await load('a', 4), await load('b', 4)]
        const outcomes = await Promise.all([
          outcomeOf(a.migrate({ ...fromA, strategy: 'incremental' })),
          late(round, () => b.migrate({ ...fromB, strategy: 'incremental' }))
        ])
        expectGivenWay(outcomes)
        await expectDataOfHead()
        await outcomeOf(a.rollback(1))
      }
    })

    test('that make the same table: the table is whose version committed', async () => {
      await a.migrate(await load('start', 4))
      for (let round = 0; round < 10; round++) {
        const table = `made${round}`
        const [fromA, fromB] = [await load('a', 4, table), await load('b', 4, table)]
        const asked = { create: true, key: ['id'] }
        const outcomes = await Promise.all([
          outcomeOf(a.migrate({ ...fromA, ...asked })),
          late(round, () => b.migrate({ ...fromB, ...asked }))
        ])
        // A table that another node is taking back while the source is bound to it is refused, and nothing begins.
        expectGivenWay(outcomes.filter((outcome) => outcome.code !== 'column.unknown'))
        await expectWhole()
        const winner = ['a', 'b'].filter((_, i) => outcomes[i]?.code === 'done').at(-1)
        if (winner === undefined) expect((await a.status()).tables.map((entry) => entry.table)).not.toContain(table)
        else expect(await rowsOf(first, table)).toEqual(numbered(4, winner))
      }
    })

    /** Begins a little later, each round at another moment of the first. */
    async function late(round: number, start: () => Promise<unknown>): Promise<Outcome> {
      await sleep((round * 13) % 120)
      return outcomeOf(start())
    }
  })

  test('a commit that conflicts with another client of another node is `locked`, and changes nothing', async () => {
    const db = await through(first)
    await db.migrate(await load('start', 4))
    const taken = await sessionOn(second)
    const run = outcomeOf(
      db.migrate({
        ...(await load('lost', 30_000)),
        description: 'lost'
      })
    )
    await untilAtWork(first, 'rowback_stage')
    await taken.query("UPDATE goods SET note = 'taken' WHERE id = 4")
    const outcome = await run
    const rows = await goods(third)
    if (outcome.code === 'done') return expect(rows).toHaveLength(30_000)
    expect(outcome).toEqual({ code: 'locked', exit: 4, version: null })
    expect(rows).toEqual(['1=start 1', '2=start 2', '3=start 3', '4=taken'])
    const [last] = await (await through(second)).log()
    expect([last?.description, last?.status]).toEqual(['lost', 'failed'])
    await db.migrate(await load('again', 4))
    await expectDataOfHead()
  })

  // The last test: the cluster has two nodes after it.
  test('a node that dies takes nothing along: another shows the state before, and recovers', async () => {
    const survivor = await through(second)
    await survivor.migrate(await load('start', 4))
    const run = outcomeOf((await through(third)).migrate({ ...(await load('lost', 30_000)), description: 'lost' }))
    await untilAtWork(third, 'goods|stage')
    await third.kill()
    expect((await run).code).toBe('connection.lost')
    cluster.nodes.splice(2, 1)
    await untilReadable(second)
    expect(await goods(second)).toEqual(numbered(4, 'start'))
    const args = ['--target', urlOn(second)]
    const status = await place.json<{ interrupted: { version: number }[] }>(['status', ...args], { code: 6 })
    expect(status.interrupted.map((entry) => entry.version)).toEqual([2])
    expect(await place.json(['recover', ...args])).toMatchObject({ recovered: [2] })
    await survivor.migrate(await load('again', 4))
    await expectDataOfHead()
  })

  /** Opens rowback on a node, with a repository that all share. */
  async function through(node: Node, author = 'tester'): Promise<Rowback> {
    const db = await open({ target: urlOn(node), repository: place.at('.rowback'), author })
    opened.push(db)
    return db
  }

  async function sessionOn(node: Node): Promise<Connection> {
    const session = await createConnection(urlOn(node))
    sessions.push(session)
    return session
  }

  function urlOn(node: Node): string {
    return urlOf(database, node)
  }

  /** Rows `1,NOTE 1` and so on for a table. */
  async function load(note: string, rows: number, table = 'goods'): Promise<Migration> {
    const lines = Array.from({ length: rows }, (_, i) => `${i + 1},${note} ${i + 1}\n`).join('')
    const source = await place.write(`${table}-${note}.csv`, `id,note\n${lines}`)
    return { source, table, description: note }
  }

  async function rowsOf(node: Node, table: string): Promise<string[]> {
    return onNode(urlOn(node), async (sql) => {
      const [rows] = await sql.query(`SELECT id, note FROM ${table} ORDER BY id`)
      return (rows as { id: number; note: string }[]).map((row) => `${row.id}=${row.note}`)
    })
  }

  function goods(node: Node): Promise<string[]> {
    return rowsOf(node, 'goods')
  }

  /** The same ledger on all nodes, and a whole one. @returns its versions, the oldest first */
  async function expectWhole(expected?: [number, string][]) {
    const logs = []
    for (const node of cluster.nodes) {
      const db = await through(node)
      const [status, log] = [await db.status(), await db.log()]
      await db.close()
      opened.pop()
      expect([status.alteredVersions, status.interrupted]).toEqual([[], []])
      logs.push(log.toReversed())
    }
    for (const log of logs) expect(log.map((entry) => ({ ...entry }))).toEqual(logs[0])
    const versions = logs[0] ?? []
    expect(versions.map((entry) => entry.version)).toEqual(versions.map((_, i) => i))
    if (expected) expect(versions.map((entry) => [entry.version, entry.description])).toEqual(expected)
    return versions
  }

  /** Each node's `goods` are those of the newest version that committed. */
  async function expectDataOfHead(): Promise<void> {
    const versions = await expectWhole()
    const head = versions.findLast((version) => version.status === 'committed')
    const expected = head?.version === 0 ? ['1=old'] : numbered(4, head?.description ?? '')
    for (const node of cluster.nodes) expect(await goods(node)).toEqual(expected)
  }

  async function expectRows(table: string, outcome: Outcome, note: string): Promise<void> {
    for (const node of cluster.nodes) {
      const rows = await rowsOf(node, table)
      if (outcome.code === 'done') expect(rows).toEqual(numbered(4, note))
      else expect(rows.join()).not.toContain(`=${note} `)
    }
  }

  async function untilThere(node: Node): Promise<void> {
    await until(async () => {
      const rows = await rowsOf(node, 'other').catch(() => null)
      return rows !== null
    })
  }

  async function untilAtWork(node: Node, text: string): Promise<void> {
    await until(() =>
      onNode(node.url, async (sql) => {
        const [rows] = await sql.query(
          `SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = ? AND INFO REGEXP ? AND ID <> CONNECTION_ID()`,
          [database.name, text]
        )
        return (rows as unknown[]).length > 0
      })
    )
  }

  async function untilReadable(node: Node): Promise<void> {
    await until(async () => (await goods(node).catch(() => null)) !== null)
  }
})

function urlOf(database: FreshDatabase, node: Node): string {
  const url = new URL(node.url)
  url.pathname = `/${database.name}`
  return url.href
}

async function onNode<T>(url: string, work: (sql: Connection) => Promise<T>): Promise<T> {
  const session = await createConnection(url)
  try {
    return await work(session)
  } finally {
    await session.end()
  }
}

async function until(ask: () => Promise<boolean>, mostMs = 60_000): Promise<void> {
  const end = Date.now() + mostMs
  while (!(await ask())) {
    if (Date.now() > end) throw new Error('it did not happen in time')
    await sleep(2)
  }
}

function numbered(rows: number, note: string): string[] {
  return Array.from({ length: rows }, (_, i) => `${i + 1}=${note} ${i + 1}`)
}

async function outcomeOf(run: Promise<unknown>): Promise<Outcome> {
  try {
    const { number } = (await run) as { number?: number | null }
    return { code: 'done', exit: 0, version: number ?? null }
  } catch (error) {
    if (error instanceof RowbackError) return { code: error.code, exit: error.exit, version: null }
    throw error
  }
}

/** Whoever did not make a version was told to try again. */
function expectGivenWay(outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) expect(['done 0', 'locked 4']).toContain(`${outcome.code} ${outcome.exit}`)
}
