import { isUtf8 } from 'node:buffer'
import { type RowbackError, usageError } from '../errors.ts'
import { sourceError } from './source-error.ts'
import { openTail, sequenceLength } from './utf8.ts'

/** How bytes become text. */
export interface Encoding {
  /** As people say it: `utf-8`, `utf-16le`, `gbk`, `windows-1252`. */
  label: string
  /** Bytes of byte order mark to skip. */
  bom: number
  /** Whether every byte is known to decode, so that rows need no check. */
  sound: boolean
  /** Whether it is only what the bytes look like. */
  guessed?: boolean
}

interface Bom {
  bytes: number[]
  label: string
}

const BOMS: Bom[] = [
  { bytes: [0xef, 0xbb, 0xbf], label: 'utf-8' },
  { bytes: [0xff, 0xfe], label: 'utf-16le' },
  { bytes: [0xfe, 0xff], label: 'utf-16be' }
]

/**
 * What the first bytes tell: a byte order mark, what the user said, or UTF-16 by where its NUL bytes stand.
 * @param head the first bytes, decompressed
 * @param wanted the encoding that the user gave
 * @returns null when only the whole content can tell (UTF-8 or some other encoding)
 * @throws RowbackError `source.encoding` when it is UTF-32; as a usage error when there is no such encoding
 */
export function encodingFromHead(head: Buffer, wanted?: string): Encoding | null {
  const bom = BOMS.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte))
  if (wanted !== undefined) return wantedEncoding(wanted, bom)
  if (head.length >= 4 && (head.readUInt32LE(0) === 0xfeff || head.readUInt32BE(0) === 0xfeff)) throw utf32Error()
  if (bom) return { label: bom.label, bom: bom.bytes.length, sound: false }
  const label = utf16ByNuls(head)
  return label ? { label, bom: 0, sound: false } : null
}

/** Whether code units have two bytes, so that NUL bytes are to be expected. */
export function isUtf16(encoding: Encoding | null): boolean {
  return encoding?.label.startsWith('utf-16') ?? false
}

function wantedEncoding(wanted: string, bom: Bom | undefined): Encoding {
  const label = canonicalLabel(wanted)
  const fits =
    bom !== undefined && (bom.label === label || (/^utf-?16$/i.test(wanted.trim()) && bom.bytes.length === 2))
  return { label: fits ? bom.label : label, bom: fits ? bom.bytes.length : 0, sound: false }
}

/**
 * The name that TextDecoder has for an encoding.
 * @throws RowbackError `source.encoding` (usage) when it knows none
 */
export function canonicalLabel(wanted: string): string {
  try {
    return new TextDecoder(wanted).encoding
  } catch {
    throw unknownEncoding(wanted)
  }
}

function utf32Error(): RowbackError {
  return sourceError('source.encoding', 'The file is UTF-32, which cannot be read.', 'Save it as UTF-8.')
}

function unknownEncoding(wanted: string): RowbackError {
  return usageError(
    'source.encoding',
    `There is no encoding called "${wanted}".`,
    'Use for example utf-8, utf-16le, gbk, gb18030, big5, shift_jis, euc-kr, windows-1252.'
  )
}

/**
 * Text in UTF-16 without a mark has NULs in every other byte, wherever its characters are ASCII: delimiters and line
 * ends at least. A binary file decodes to control characters.
 */
function utf16ByNuls(head: Buffer): string | null {
  const even = head.subarray(0, head.length - (head.length % 2))
  const nuls = even.reduce((count, byte) => (byte === 0 ? count + 1 : count), 0)
  const isRare = nuls < 0.2 * even.length
  if (nuls === 0 || (isRare && headIsUtf8(head))) return null
  const [little, big] = [asUtf16(even, 'utf-16le'), asUtf16(even, 'utf-16be')]
  // Not the NULs decide which it is: U+4E00 has one, too, and is a common character.
  const better = (big.lineEnds - little.lineEnds || big.ascii - little.ascii) > 0 ? big : little
  return looksLikeText(better.text) && (!isRare || better.lineEnds > 0) ? better.label : null
}

function asUtf16(bytes: Buffer, label: string) {
  const text = decodeUtf16(bytes, label)
  const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0
  return { label, text, lineEnds: count(/[\r\n]/g), ascii: count(/[ -~]/g) }
}

/** Whether it is UTF-8, the cut at its end aside: then a few NUL bytes do not make it UTF-16. */
function headIsUtf8(head: Buffer): boolean {
  return isUtf8(head.subarray(0, head.length - openTail(head)))
}

function looksLikeText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x08\x0e-\x1f\ufffe\uffff]/.test(text)) return false
  // The cut at the end of the head may halve a surrogate pair.
  return text.slice(0, -1).isWellFormed() || text.isWellFormed()
}

/** Decodes whole code units; lone surrogates stay in the text, where rows are checked for them. */
export function decodeUtf16(bytes: Buffer, label: string): string {
  return (label === 'utf-16be' ? Buffer.from(bytes).swap16() : bytes).toString('utf16le')
}

/** Counts over bytes that are not valid UTF-8 as a whole. */
export interface Utf8Count {
  /** Valid sequences of more than one byte. */
  valid: number
  /** Bytes that belong to no valid sequence. */
  invalid: number
}

/** Adds the sequences of a chunk that begins and ends between characters. */
export function countUtf8(bytes: Buffer, count: Utf8Count): void {
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    if (length === 0) count.invalid++
    else if (length > 1) count.valid++
    at += length || 1
  }
}

/** Whether it is UTF-8 with some bad bytes rather than another encoding that looks a little like it. */
export function isMostlyUtf8({ valid, invalid }: Utf8Count): boolean {
  return valid >= 4 * invalid
}

/** Whether it may be: by chance a byte or two of another encoding are valid UTF-8, but not as many as are not. */
export function mayBeUtf8({ valid, invalid }: Utf8Count): boolean {
  return valid > 0 && valid >= invalid
}
