/** Turns a 32-bit word to the left. */
export function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** The ending of MurmurHash3 (https://github.com/aappleby/smhasher): each bit of the word changes half of the result's. */
export function avalanche(word: number): number {
  let mixed = word ^ (word >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
