import { type RowbackError, usageError } from '../errors.ts'
import { sequenceLength } from './utf8.ts'

/** How bytes become text. */
export interface Encoding {
  /** As people say it: `utf-8`, `utf-16le`, `gbk`, `windows-1252`. */
  label: string
  /** Bytes of byte order mark to skip. */
  bom: number
  /** Whether every byte is known to decode, so that rows need no check. */
  sound: boolean
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
 * @throws RowbackError `source.encoding` (usage) when there is no such encoding
 */
export function encodingFromHead(head: Buffer, wanted?: string): Encoding | null {
  const bom = BOMS.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte))
  if (wanted !== undefined) return wantedEncoding(wanted, bom)
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

function unknownEncoding(wanted: string): RowbackError {
  return usageError(
    'source.encoding',
    `There is no encoding called "${wanted}".`,
    'Use for example utf-8, utf-16le, gbk, gb18030, big5, shift_jis, euc-kr, windows-1252.'
  )
}

/**
 * Text in UTF-16 without a mark has most NULs in every other byte, wherever its characters are ASCII: delimiters and
 * line ends at least. (Not all: U+4E00 is a common character.) A binary file decodes to control characters.
 */
function utf16ByNuls(head: Buffer): string | null {
  const even = head.subarray(0, head.length - (head.length % 2))
  const nuls: [number, number] = [0, 0]
  for (let at = even.indexOf(0); at !== -1; at = even.indexOf(0, at + 1)) nuls[(at % 2) as 0 | 1]++
  if (nuls[0] === nuls[1]) return null
  const label = nuls[1] > nuls[0] ? 'utf-16le' : 'utf-16be'
  return looksLikeText(decodeUtf16(even, label)) ? label : null
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
