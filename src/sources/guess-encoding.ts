import { analyse } from 'chardet'
import type { RowbackError } from '../errors.ts'
import { gbkShape, isGbkShaped } from './gbk.ts'
import { sourceError } from './source-error.ts'

/** From this on chardet has found frequent characters, not just bytes that are possible. */
const CONFIDENT = 50
/** Below this chardet's word about an alphabet is chance. */
const PLAUSIBLE = 15
/** Characters of two bytes that chardet needs to tell another alphabet from Chinese. */
const ENOUGH_PAIRS = 10

const MULTI_BYTE = ['gb18030', 'big5', 'euc-kr', 'euc-jp', 'shift_jis']
const LATIN = ['windows-1252', 'windows-1250', 'iso-8859-2', 'windows-1254', 'windows-1257', 'windows-1258']
const OTHER_ALPHABETS = [
  'windows-1251',
  'koi8-r',
  'iso-8859-5',
  'iso-8859-7',
  'windows-1253',
  'iso-8859-8',
  'windows-1255',
  'iso-8859-6',
  'windows-1256',
  'windows-874'
]

/** What wrong decoding leaves: signs that nobody types, and signs between letters, as in `Gda¶sk`, `ja¼ñ`, `£ód`. */
const ODD_SIGNS = /[ƒ†‡ˆ‰‹›¤¦¨¬¯¸¹]|(?<=\p{L})[¡¢£¥±²³´µ¶¼½¾¿×÷œ™€„•˜](?=\p{Ll})|[¢£¥](?=[\p{L}_])/gu
const ODD_SHARE = 0.1

interface Candidate {
  label: string
  confidence: number
}

/**
 * The encoding of text that is not UTF-8, at least not all of it.
 * @param sample lines that hold non-ASCII bytes
 * @param mayBeUtf8 whether it may be UTF-8 with some bad bytes: in an encoding of one byte per character that is hardly
 *   ever so, in one of two bytes now and then
 * @throws RowbackError `source.encoding` when none fits, or decoding would only be a guess
 */
export function guessEncoding(sample: Buffer, name: string, mayBeUtf8: boolean): string {
  return mayBeUtf8 && (isLikelyText(sample) || !isMultiByte(sample)) ? 'utf-8' : guessOther(sample, name)
}

/** What is valid UTF-8 in GBK by chance is of many scripts; signs and letters of Latin-1, and Chinese, are hardly among it. */
function isLikelyText(sample: Buffer): boolean {
  return /^[\0-\x7f\u00a0-\u00ff\u2000-\u214f\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef\ufffd]*$/.test(
    sample.toString('utf8')
  )
}

/** Whether it looks like an encoding of several bytes per character. */
function isMultiByte(sample: Buffer): boolean {
  const best = candidates(sample, sample).find((c) => MULTI_BYTE.includes(c.label))
  return isGbkShaped(gbkShape(sample)) || (best !== undefined && best.confidence >= CONFIDENT)
}

function guessOther(sample: Buffer, name: string): string {
  const multiByte = candidates(sample, sample).filter((c) => MULTI_BYTE.includes(c.label))
  // ASCII words would count as evidence for western languages.
  const eightBit = candidates(nonAsciiWords(sample), sample).filter((c) => !MULTI_BYTE.includes(c.label))
  const shape = gbkShape(sample)
  if (isGbkShaped(shape)) {
    const other = confidentOther(multiByte, shape.pairs < ENOUGH_PAIRS ? [] : eightBit)
    if (other) return other
    if (shape.invalid === 0) return 'gbk'
    throw undecided(name, 'It looks like GBK, but some bytes are not', 'gbk')
  }
  const [best] = multiByte
  if (best && best.confidence >= CONFIDENT) return best.label
  const label = isDense(sample) ? otherAlphabet(eightBit) : latin(sample, eightBit)
  if (label) return label
  throw undecided(name, 'It is not UTF-8, and what else it is cannot be told safely', 'windows-1252')
}

/** What chardet names for these bytes, as TextDecoder calls it, when the whole sample decodes with it. */
function candidates(bytes: Buffer, sample: Buffer): Candidate[] {
  return analyse(bytes).flatMap(({ name, confidence }) => {
    const label = labelOf(name)
    return label && decodes(sample, label) ? [{ label, confidence }] : []
  })
}

function nonAsciiWords(sample: Buffer): Buffer {
  return Buffer.from(words(sample).join(' '), 'latin1')
}

function words(sample: Buffer): string[] {
  return sample.toString('latin1').match(/[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*/g) ?? []
}

function labelOf(name: string): string | null {
  try {
    const label = new TextDecoder(name).encoding
    return label.startsWith('utf') ? null : label
  } catch {
    return null
  }
}

function decodes(sample: Buffer, label: string): boolean {
  try {
    // C1 controls and private characters are what decoders give for bytes that mean nothing.
    return !/[\u0080-\u009f\ue000-\uf8ff]/.test(new TextDecoder(label, { fatal: true }).decode(sample))
  } catch {
    return false
  }
}

function confidentOther(multiByte: Candidate[], eightBit: Candidate[]): string | undefined {
  const chinese = multiByte.find((c) => c.label === 'gb18030')?.confidence ?? 0
  const others = [...multiByte, ...eightBit].filter((c) => c.label !== 'gb18030' && !LATIN.includes(c.label))
  return others.find((c) => c.confidence >= CONFIDENT && c.confidence > chinese)?.label
}

/** Whether whole words are non-ASCII, as in another alphabet, and not single letters between ASCII ones. */
function isDense(sample: Buffer): boolean {
  const all = words(sample)
  const foreign = all.filter((word) => (word.match(/[\x80-\xff]/g)?.length ?? 0) > Math.max(1, 0.7 * word.length))
  return foreign.length > 0.5 * all.length
}

function otherAlphabet(eightBit: Candidate[]): string | undefined {
  return eightBit.find((c) => OTHER_ALPHABETS.includes(c.label) && c.confidence >= PLAUSIBLE)?.label
}

/** windows-1252 is by far the most frequent, so that others need evidence. */
function latin(sample: Buffer, eightBit: Candidate[]): string | undefined {
  const western = eightBit.find((c) => c.label === 'windows-1252')?.confidence ?? 0
  const other = eightBit.find((c) => c.label !== 'windows-1252' && LATIN.includes(c.label))
  const otherIsSure = other && other.confidence >= CONFIDENT && other.confidence >= 2 * western
  if (!otherIsSure && readsWell(sample, 'windows-1252')) return 'windows-1252'
  return other && readsWell(sample, other.label) ? other.label : undefined
}

function readsWell(sample: Buffer, label: string): boolean {
  if (!decodes(sample, label)) return false
  const text = new TextDecoder(label).decode(sample)
  const nonAscii = text.match(/[^\0-\x7f]/g)?.length ?? 0
  return (text.match(ODD_SIGNS)?.length ?? 0) <= ODD_SHARE * nonAscii
}

function undecided(name: string, why: string, example: string): RowbackError {
  return sourceError(
    'source.encoding',
    `The encoding of ${name} is not clear. ${why}.`,
    `Say it, for example --encoding ${example}; rows that do not decode are then reported one by one.`
  )
}
