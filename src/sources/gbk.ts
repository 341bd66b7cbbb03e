/** How the non-ASCII bytes of a sample would read as GBK. */
export interface GbkShape {
  /** Valid two-byte pairs (a four-byte character of GB 18030 counts as two). */
  pairs: number
  /** Pairs of which both bytes are non-ASCII, as in all characters of GB 2312. */
  bothHigh: number
  /** Pairs that are the 3755 common characters or punctuation of GB 2312. */
  common: number
  /** Pairs with an ASCII letter on both sides: `Gr` `öß` `e`. */
  betweenLetters: number
  /** Non-ASCII bytes that belong to no pair. */
  invalid: number
  /** Non-ASCII bytes, and those of 0xE0 and above: small letters of Cyrillic and Greek 8-bit encodings. */
  high: number
  e0AndAbove: number
}

/** Reads the sample as GBK pairs. */
export function gbkShape(sample: Uint8Array): GbkShape {
  const shape = { pairs: 0, bothHigh: 0, common: 0, betweenLetters: 0, invalid: 0, high: 0, e0AndAbove: 0 }
  for (let at = 0; at < sample.length; ) {
    const lead = sample[at] ?? 0
    if (lead < 0x80) {
      at++
      continue
    }
    const trail = sample[at + 1] ?? 0
    countHigh(shape, lead)
    if (isGbkPair(lead, trail)) {
      countPair(shape, lead, trail)
      if (isLetter(sample[at - 1]) && isLetter(sample[at + 2])) shape.betweenLetters++
      at += 2
    } else if (isGb18030Pair(lead, trail)) {
      shape.pairs++
      at += 2
    } else {
      shape.invalid++
      at++
    }
  }
  return shape
}

/**
 * Whether the sample reads as Chinese. Western, Cyrillic and Japanese 8-bit text may consist of valid pairs by chance,
 * but then few are common characters, or they stand within words of ASCII letters.
 */
export function isGbkShaped(shape: GbkShape): boolean {
  const { pairs, bothHigh, common, betweenLetters, invalid, high, e0AndAbove } = shape
  return (
    pairs > 0 &&
    invalid <= 0.1 * pairs &&
    bothHigh >= 0.5 * pairs &&
    common >= 0.4 * pairs &&
    betweenLetters <= 0.5 * pairs &&
    e0AndAbove < 0.6 * high
  )
}

function countHigh(shape: GbkShape, byte: number): void {
  shape.high++
  if (byte >= 0xe0) shape.e0AndAbove++
}

function countPair(shape: GbkShape, lead: number, trail: number): void {
  shape.pairs++
  if (trail < 0x80) return
  countHigh(shape, trail)
  if (trail < 0xa1) return
  shape.bothHigh++
  if ((lead >= 0xb0 && lead <= 0xd7) || (lead >= 0xa1 && lead <= 0xa3)) shape.common++
}

function isGbkPair(lead: number, trail: number): boolean {
  return lead >= 0x81 && lead <= 0xfe && trail >= 0x40 && trail <= 0xfe && trail !== 0x7f
}

function isGb18030Pair(lead: number, trail: number): boolean {
  return lead >= 0x81 && lead <= 0xfe && trail >= 0x30 && trail <= 0x39
}

function isLetter(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a))
}
