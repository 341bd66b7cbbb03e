import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'

/** A small linear congruential generator (Numerical Recipes, 3rd ed., 7.1): the same numbers in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

export const COLUMNS =
  'id INTEGER PRIMARY KEY, code TEXT, name TEXT, city TEXT, amount REAL, quantity INTEGER, updated_on DATE, note TEXT'

const CITIES = ['Berlin', 'Shanghai', 'São Paulo', 'Nairobi', 'Lyon', 'Osaka', 'Québec', 'Izmir']
const WORDS = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel', 'india', 'juliett', 'kilo']

export interface Orders {
  rows: number
  seed?: number
  /** How long a note is: with 6 words, which is the default, a row has about 110 bytes, with 8 about 120. */
  words?: number
}

/**
 * Writes a CSV of orders, the same in every run.
 * @returns its size in bytes
 */
export function writeOrders(path: string, orders: Orders): Promise<number> {
  return writeLines(path, ordersOf(orders))
}

/** Writes the same orders, of which those with these ids have other content, and behind them as many new ones. */
export function writeChangedOrders(
  path: string,
  orders: Orders,
  changes: { changed: ReadonlySet<number>; added: number; seed: number }
): Promise<number> {
  return writeLines(path, changedOrdersOf(orders, changes.changed, changes.added, changes.seed))
}

/** Writes orders with these ids only. */
export function writeOrdersOf(path: string, ids: Iterable<number>, seed: number, words = 6): Promise<number> {
  const random = randomNumbers(seed)
  return writeLines(
    path,
    Iterator.from(ids).map((id) => orderOf(id, random, words))
  )
}

/** So many different ids from 1 to `rows`. */
export function randomIds(count: number, rows: number, seed: number): Set<number> {
  const random = randomNumbers(seed)
  const ids = new Set<number>()
  while (ids.size < count) ids.add(1 + Math.floor(random() * rows))
  return ids
}

function* ordersOf({ rows, seed = 1, words = 6 }: Orders): Generator<string> {
  const random = randomNumbers(seed)
  for (let id = 1; id <= rows; id++) yield orderOf(id, random, words)
}

function* changedOrdersOf(orders: Orders, changed: ReadonlySet<number>, added: number, seed: number) {
  const random = randomNumbers(seed)
  const words = orders.words ?? 6
  let id = 0
  for (const line of ordersOf(orders)) yield changed.has(++id) ? orderOf(id, random, words) : line
  for (const last = id + added; id < last; ) yield orderOf(++id, random, words)
}

function orderOf(id: number, random: () => number, words: number): string {
  const pick = (list: string[]) => list[Math.floor(random() * list.length)]
  const day = new Date(Date.UTC(2020, 0, 1 + Math.floor(random() * 2000))).toISOString().slice(0, 10)
  const note = Array.from({ length: words }, () => pick(WORDS)).join(' ')
  return `${id},C${Math.floor(random() * 1e9)},customer ${Math.floor(random() * 1e6)},${pick(CITIES)},${(random() * 1000).toFixed(2)},${Math.floor(random() * 100)},${day},${note} ${Math.floor(random() * 1e6)}\n`
}

async function writeLines(path: string, lines: Iterable<string>): Promise<number> {
  const file = createWriteStream(path)
  let text = 'id,code,name,city,amount,quantity,updated_on,note\n'
  for (const line of lines) {
    text += line
    if (text.length < 1 << 16) continue
    if (!file.write(text)) await once(file, 'drain')
    text = ''
  }
  file.end(text)
  await once(file, 'finish')
  return (await stat(path)).size
}
