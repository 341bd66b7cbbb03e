import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RowbackError } from '../../src/errors.ts'
import { open } from '../../src/rowback.ts'

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname
const ROWS = 60_000
/** Over both strategies and all verbs. */
const KILLS = Number(process.env.KILLS ?? 40)
const AT_ONCE = 2

type Strategy = 'snapshot' | 'incremental'
/** `enable` switches to the other strategy. */
type Verb = 'migrate' | 'rollback' | 'revert' | 'enable' | 'exec'

/** A database and its repository, as they stand before a command, and what the command makes of the data. */
interface Ground {
  strategy: Strategy
  verb: Verb
  folder: string
  before: string
  after: string
  /** How long the command takes when nobody kills it, in milliseconds. */
  duration: number
}

const root = mkdtempSync(join(tmpdir(), 'rowback-kill-'))
const grounds: Ground[] = []
afterAll(() => rmSync(root, { recursive: true, force: true }))

beforeAll(async () => {
  grounds.push(...(await Promise.all([prepare('snapshot'), prepare('incremental')])).flat())
}, 180_000)

async function prepare(strategy: Strategy): Promise<Ground[]> {
  const folder = join(root, strategy)
  mkdirSync(folder)
  writeSources(folder)
  const db = new DatabaseSync(join(folder, 'data.db'))
  db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT UNIQUE, amount REAL, note TEXT)')
  db.close()
  expect(await exitOf(start(folder, ['migrate', 'first.csv', ...load(strategy)]))).toBe(0)
  const { after, ...toMigrate } = await survey(folder, strategy, 'migrate')
  const migrated = `${folder}-migrate`
  const toRollBack = await survey(migrated, strategy, 'rollback')
  expect([toRollBack.before === after, toRollBack.after === toMigrate.before], 'there and back').toEqual([true, true])
  const toRevert = await survey(migrated, strategy, 'revert')
  const others = [await survey(folder, strategy, 'enable'), await survey(folder, strategy, 'exec')]
  return [{ ...toMigrate, after }, toRollBack, toRevert, ...others]
}

function other(strategy: Strategy): Strategy {
  return strategy === 'snapshot' ? 'incremental' : 'snapshot'
}

function load(strategy: Strategy): string[] {
  return ['--table', 'orders', '--mode', 'upsert', '--strategy', strategy, '-m', 'orders']
}

/** The second file has a quarter of the rows of the first with other values, and has some of its own. */
function writeSources(folder: string): void {
  const line = (id: number, round: number) => `${id},customer ${id},${id / 4 + round},"note ${round}\nof ${id}"`
  const ids = Array.from({ length: ROWS }, (_, i) => i + 1)
  const file = (lines: string[]) => `id,customer,amount,note\n${lines.join('\n')}\n`
  const fix = "UPDATE orders SET note = 'fixed' WHERE id % 4 = 0; DELETE FROM orders WHERE id % 5 = 0"
  writeFileSync(join(folder, 'fix.sql'), fix)
  writeFileSync(join(folder, 'first.csv'), file(ids.map((id) => line(id, 0))))
  writeFileSync(join(folder, 'second.csv'), file(ids.map((id) => line(id + 5000, id % 4 === 0 ? 1 : 0))))
}

function commandOf({ verb, strategy }: Pick<Ground, 'verb' | 'strategy'>): string[] {
  if (verb === 'enable') return ['enable', other(strategy)]
  if (verb === 'exec') return ['exec', 'fix.sql', '--strategy', strategy, '-m', 'a fix']
  if (verb === 'revert') return ['revert', '1', '--on-conflict', 'keep-current']
  return verb === 'migrate' ? ['migrate', 'second.csv', ...load(strategy)] : ['rollback', '1']
}

/** Runs the command once on a copy, which is kept, to see what it makes of the data and how long it takes. */
async function survey(folder: string, strategy: Strategy, verb: Verb): Promise<Ground> {
  const copy = `${folder}-${verb}`
  cpSync(folder, copy, { recursive: true })
  const started = performance.now()
  expect(await exitOf(start(copy, commandOf({ verb, strategy }))), 'the command succeeds when nobody kills it').toBe(0)
  const duration = performance.now() - started
  return { strategy, verb, folder, before: dataOf(folder), after: dataOf(copy), duration }
}

function start(folder: string, args: string[]): ChildProcess {
  const flags = ['--target', 'sqlite:data.db', '--repository', 'repository', '--quiet']
  return spawn(process.execPath, [MAIN, ...args, ...flags], {
    cwd: folder,
    stdio: 'ignore',
    env: { ...process.env, ROWBACK_AUTHOR: 'a test' }
  })
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve))
}

/** All rows, hashed by way of SQLite's own literals, the tables of the user, and the columns that there are. */
function dataOf(folder: string): string {
  const db = new DatabaseSync(join(folder, 'data.db'))
  const row = ['id', 'customer', 'amount', 'note'].map((column) => `quote(${column})`).join(" || ',' || ")
  const data = db.prepare(
    `SELECT count(*) AS n, group_concat(${row}, ';') AS text FROM (SELECT * FROM orders ORDER BY id)`
  )
  const tables = db.prepare(
    "SELECT group_concat(name) AS names FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'rowback%' AND name NOT LIKE 'history%'"
  )
  const { n, text } = data.get() as { n: number; text: string | null }
  const { names } = tables.get() as { names: string }
  const columns = db.prepare("SELECT name FROM pragma_table_info('orders')").all()
  db.close()
  return `${names} (${columns.map(({ name }) => name)}): ${n} rows ${createHash('sha256')
    .update(text ?? '')
    .digest('hex')}`
}

interface Outcome {
  /** Whether the command was still running when it was killed. */
  killed: boolean
  /** It had announced its version, and nothing more. */
  pending: boolean
  left: 'before' | 'after'
}

/** Kills the command on a copy of the ground, and proves that what is left is whole and can be worked on. */
async function killOnce(ground: Ground, name: string, delay: number): Promise<Outcome> {
  const folder = join(root, name)
  cpSync(ground.folder, folder, { recursive: true })
  try {
    const child = start(folder, commandOf(ground))
    const ended = exitOf(child)
    const started = performance.now()
    await Promise.race([sleep(delay), ended])
    child.kill('SIGKILL')
    const killed = (await ended) === null
    // It was over sooner than others were: the next ones are killed sooner, too.
    if (!killed) ground.duration = Math.min(ground.duration, performance.now() - started)
    const where = `${ground.strategy} ${ground.verb}, killed after ${Math.round(delay)} ms`
    const outcome = { killed, ...(await inspectRemains(folder, ground, where)) }
    await carryOn(folder, ground, where)
    return outcome
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function inspectRemains(folder: string, ground: Ground, where: string): Promise<Omit<Outcome, 'killed'>> {
  expect(leftObjects(folder), `${where}: the manifests name`).toEqual([])
  const db = await open({ target: `sqlite:${join(folder, 'data.db')}`, repository: join(folder, 'repository') })
  try {
    const status = await db.status({ drift: true })
    const data = dataOf(folder)
    const left = data === ground.before ? 'before' : 'after'
    expect(data === ground.before || data === ground.after, `${where}: the data is one of the two states`).toBe(true)
    expect(status.alteredVersions, where).toEqual([])
    expect(status.drift?.tables, `${where}: nothing looks as if others had changed it`).toEqual([])
    if (ground.strategy === 'snapshot' && ground.verb !== 'enable') {
      expect(status.head?.leftRecord ?? null, `${where}: what the head left is on record`).not.toBe(null)
    }
    const versions = ground.verb === 'rollback' || ground.verb === 'revert' ? 2 : 1
    expect(status.head?.version, `${where}: the ledger and the data agree`).toBe(
      left === 'before' ? versions : versions + 1
    )
    if (left === 'after') expect(status.interrupted, where).toEqual([])
    return { left, pending: status.interrupted.length > 0 }
  } finally {
    await db.close()
  }
}

/** The same command again does what it was asked to do. */
async function carryOn(folder: string, ground: Ground, where: string): Promise<void> {
  const db = await open({
    target: `sqlite:${join(folder, 'data.db')}`,
    repository: join(folder, 'repository'),
    author: 'a test'
  })
  try {
    if (ground.verb === 'rollback') await db.rollback(1)
    else if (ground.verb === 'revert') await db.revert(1, { onConflict: 'keep-current' }).catch(unlessDone)
    else if (ground.verb === 'enable') await db.enable(other(ground.strategy))
    else if (ground.verb === 'exec')
      await db.exec({ script: join(folder, 'fix.sql'), strategy: ground.strategy, description: 'again' })
    else {
      const { strategy } = ground
      await db.migrate({
        source: join(folder, 'second.csv'),
        table: 'orders',
        mode: 'upsert',
        strategy,
        description: 'again'
      })
    }
    expect(dataOf(folder) === ground.after, `${where}: the same again gives the right data`).toBe(true)
    const status = await db.status()
    expect([status.alteredVersions, status.interrupted], where).toEqual([[], []])
    expect(damageOf(folder), where).toEqual([])
    expect(leftObjects(folder), `${where}: afterwards the manifests name`).toEqual([])
  } finally {
    await db.close()
  }
}

/** A revert that was committed leaves nothing to take back. */
function unlessDone(error: unknown): void {
  if (!(error instanceof RowbackError) || error.code !== 'revert.nothing') throw error
}

/** What SQLite finds wrong with its own file. */
function damageOf(folder: string): string[] {
  const db = new DatabaseSync(join(folder, 'data.db'))
  const found = db.prepare('PRAGMA integrity_check').all()
  db.close()
  return found.map((row) => String(row.integrity_check)).filter((line) => line !== 'ok')
}

/** Objects that a manifest, or a record of what a version left, names and that are not there. */
function leftObjects(folder: string): string[] {
  const repository = join(folder, 'repository')
  const folders = [join(repository, 'manifests'), join(repository, 'left')].filter((path) => existsSync(path))
  const files = folders.flatMap((path) => readdirSync(path).map((file) => join(path, file)))
  return files.flatMap((file) => {
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as {
      tables: { chunks: { object: string }[] }[]
    }
    return manifest.tables
      .flatMap((table) => table.chunks.map((chunk) => chunk.object))
      .filter((object) => !existsSync(join(repository, 'objects', object.slice(0, 2), `${object}.zst`)))
  })
}

test('whenever it is killed, it leaves the state before or the state after', { timeout: 300_000 }, async () => {
  expect(grounds).toHaveLength(10)
  for (const { before, after } of grounds) expect(before === after).toBe(false)
  const outcomes: Outcome[] = []
  const kills = () => outcomes.filter((outcome) => outcome.killed).length
  let next = 0
  const work = async () => {
    while (kills() < KILLS && next < 2 * KILLS) {
      const attempt = next++
      const ground = grounds[attempt % grounds.length] as Ground
      const rounds = Math.ceil(KILLS / grounds.length)
      const round = Math.floor(attempt / grounds.length) % rounds
      // Each round has its part of the duration, and within it any moment; first Node itself starts.
      const share = 0.1 + ((round + Math.random()) / rounds) * 0.95
      outcomes.push(await killOnce(ground, `kill-${attempt}`, share * ground.duration))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const count = (wanted: (outcome: Outcome) => boolean) => outcomes.filter(wanted).length
  const summary = {
    killed: count((outcome) => outcome.killed),
    pending: count((outcome) => outcome.pending),
    before: count((outcome) => outcome.left === 'before'),
    after: count((outcome) => outcome.left === 'after')
  }
  console.log(`${outcomes.length} commands: ${JSON.stringify(summary)}`)
  expect(summary.killed, 'commands that were killed on their way').toBeGreaterThanOrEqual(KILLS)
  expect(summary.pending, 'some were killed while they wrote').toBeGreaterThan(0)
})
