import { once } from 'node:events'
import { createWriteStream } from 'node:fs'

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

/**
 * Writes a CSV of orders, about 110 bytes a row, the same in every run.
 * @returns its size in bytes
 */
export async function writeOrders(path: string, rows: number, seed = 1): Promise<number> {
  const random = randomNumbers(seed)
  const pick = (list: string[]) => list[Math.floor(random() * list.length)]
  const file = createWriteStream(path)
  file.write('id,code,name,city,amount,quantity,updated_on,note\n')
  let bytes = 0
  let text = ''
  for (let id = 1; id <= rows; id++) {
    const day = new Date(Date.UTC(2020, 0, 1 + Math.floor(random() * 2000))).toISOString().slice(0, 10)
    const note = Array.from({ length: 6 }, () => pick(WORDS)).join(' ')
    text += `${id},C${Math.floor(random() * 1e9)},customer ${Math.floor(random() * 1e6)},${pick(CITIES)},${(random() * 1000).toFixed(2)},${Math.floor(random() * 100)},${day},${note} ${Math.floor(random() * 1e6)}\n`
    if (text.length < 1 << 16 && id < rows) continue
    bytes += text.length
    if (!file.write(text)) await once(file, 'drain')
    text = ''
  }
  file.end()
  await once(file, 'finish')
  return bytes
}
