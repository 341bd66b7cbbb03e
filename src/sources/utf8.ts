import { isUtf8 } from 'node:buffer'

/**
 * How many bytes the UTF-8 sequence at `at` has; 0 when there is no valid one (RFC 3629: no overlong forms,
 * no surrogates, nothing above U+10FFFF) or the bytes end within it.
 */
export function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return 0
  const second = bytes[at + 1] ?? 0
  if (lead < 0xe0) return isContinuation(second) ? 2 : 0
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest || !isContinuation(bytes[at + 2] ?? 0)) return 0
  if (lead < 0xf0) return 3
  return isContinuation(bytes[at + 3] ?? 0) ? 4 : 0
}

/** How many bytes at the end begin a sequence that may go on in the next chunk (0 to 3). */
export function openTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (isContinuation(byte)) continue
    const promised = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return promised > back ? back : 0
  }
  return 0
}

/** Keeps chunks whole: holds back a sequence that a chunk's end cuts, and puts it before the next chunk. */
export function sequenceKeeper(): (chunk: Buffer, last: boolean) => Buffer {
  let held: Buffer = Buffer.alloc(0)
  return (chunk, last) => {
    const bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
    const open = last ? 0 : openTail(bytes)
    // A copy, because the chunk's memory is used again.
    held = Buffer.from(bytes.subarray(bytes.length - open))
    return bytes.subarray(0, bytes.length - open)
  }
}

/** Whether a series of chunks is valid UTF-8 as a whole. */
export function utf8Checker(): (chunk: Buffer, last: boolean) => boolean {
  const keep = sequenceKeeper()
  let valid = true
  return (chunk, last) => {
    if (valid) valid = isUtf8(keep(chunk, last))
    return valid
  }
}

/**
 * Decodes UTF-8 of which some bytes are not. Each such byte becomes a lone surrogate, which no valid text has, so
 * that a row with one can be told from a row with a genuine U+FFFD.
 */
export function decodeMarking(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  let from = 0
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    if (length === 0) {
      text += bytes.toString('utf8', from, at) + String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
      from = at + 1
    }
    at += length || 1
  }
  return text + bytes.toString('utf8', from)
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}
