/** Whole lines of two texts, each with its line feed. */
export interface LinePair {
  before: Buffer
  after: Buffer
}

const LINE_FEED = 0x0a
/** Bytes compared at once where two texts are expected to be equal, and finer where they are not. */
const STEPS = [1 << 16, 1 << 12, 1 << 8, 1 << 4, 1]
/** How many lines are looked at to find where two texts go on alike; so many times more where they do not. */
const FIRST_WINDOW = 2
const WIDER = 8

/**
 * Takes out lines that both texts have, without decoding any, so that only what is left needs a closer look. Texts that
 * are alike are compared many lines at once; equal lines that stand in different places may be left on both sides.
 * @param before whole lines, each with its line feed
 * @param after the same
 */
export function withoutCommonLines(before: Buffer, after: Buffer): LinePair {
  const gone: Buffer[] = []
  const come: Buffer[] = []
  let a = 0
  let b = 0
  while (a < before.length && b < after.length) {
    const same = equalLines(before, a, after, b)
    a += same
    b += same
    if (a === before.length || b === after.length) break
    const next = whereAlikeAgain(before, a, after, b)
    gone.push(before.subarray(a, next.a))
    come.push(after.subarray(b, next.b))
    a = next.a
    b = next.b
  }
  gone.push(before.subarray(a))
  come.push(after.subarray(b))
  return { before: Buffer.concat(gone), after: Buffer.concat(come) }
}

/** The length of the whole lines from `a` and from `b` that are the same. */
function equalLines(before: Buffer, a: number, after: Buffer, b: number): number {
  const most = Math.min(before.length - a, after.length - b)
  let same = 0
  for (const step of STEPS) {
    while (same + step <= most) {
      const end = same + step
      if (before.compare(after, b + same, b + end, a + same, a + end) !== 0) break
      same = end
    }
  }
  return same === 0 ? 0 : before.lastIndexOf(LINE_FEED, a + same - 1) + 1 - a
}

/** The nearest two places, at or behind lines that differ, from which both texts have the same line; else their ends. */
function whereAlikeAgain(before: Buffer, a: number, after: Buffer, b: number): { a: number; b: number } {
  for (let window = FIRST_WINDOW; ; window *= WIDER) {
    const left = lineStarts(before, a, window)
    const right = lineStarts(after, b, window)
    const found = nearestEqual(before, left, after, right)
    if (found) return found
    const isAll = left.at(-1) === before.length && right.at(-1) === after.length
    if (isAll) return { a: before.length, b: after.length }
  }
}

/** Where up to `count` lines begin, and where the last one ends. */
function lineStarts(text: Buffer, from: number, count: number): number[] {
  const starts = [from]
  for (let at = from; at < text.length && starts.length <= count; starts.push(at)) {
    at = text.indexOf(LINE_FEED, at) + 1 || text.length
  }
  return starts
}

function nearestEqual(
  before: Buffer,
  left: readonly number[],
  after: Buffer,
  right: readonly number[]
): { a: number; b: number } | null {
  const known = new Map<string, number>()
  for (let i = left.length - 2; i >= 0; i--) known.set(before.toString('latin1', left[i], left[i + 1]), i)
  let found: { a: number; b: number } | null = null
  let nearest = Number.POSITIVE_INFINITY
  for (let j = 0; j < right.length - 1 && j < nearest; j++) {
    const i = known.get(after.toString('latin1', right[j], right[j + 1]))
    if (i === undefined || i + j >= nearest) continue
    nearest = i + j
    found = { a: left[i] as number, b: right[j] as number }
  }
  return found
}
