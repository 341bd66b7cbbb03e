import { analyse } from 'chardet'
import type { RowbackError } from '../errors.ts'
import { gbkShape, isGbkShaped } from './gbk.ts'
import { sourceError } from './source-error.ts'

/** From this on chardet has found the frequent characters of a multi-byte encoding, not just valid pairs. */
const CONFIDENT = 50

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

/** Signs that stand between letters only when text was decoded wrongly: `Gda¶sk`, `ja¼ñ`. */
const MISPLACED_SIGN = /\p{L}[¡¢£¤¥¦¨¬¯±²³´µ¶¸¹¼½¾¿×÷‡ˆ‰‹›œ™€„†•˜][\p{Ll}]/u

interface Candidate {
  label: string
  confidence: number
}

/**
 * The encoding of text that is not UTF-8.
 * @param sample lines that hold non-ASCII bytes
 * @throws RowbackError `source.encoding` when none fits, or decoding would only be a guess
 */
export function guessEncoding(sample: Buffer, name: string): string {
  const candidates = decodable(sample)
  const shape = gbkShape(sample)
  if (isGbkShaped(shape)) {
    const better = confidentOther(candidates)
    if (better) return better
    if (shape.invalid === 0) return 'gbk'
    throw undecided(name, 'It looks like GBK, but some bytes are not', 'gbk')
  }
  const multiByte = candidates.find((c) => MULTI_BYTE.includes(c.label) && c.confidence >= CONFIDENT)
  if (multiByte) return multiByte.label
  const label = isDense(sample) ? otherAlphabet(candidates) : latin(sample, candidates)
  if (label) return label
  throw undecided(name, 'It is not UTF-8, and what else it is cannot be told safely', 'windows-1252')
}

/** What chardet names, as TextDecoder calls it, when the whole sample decodes with it. */
function decodable(sample: Buffer): Candidate[] {
  return analyse(nonAsciiWords(sample)).flatMap(({ name, confidence }) => {
    const label = labelOf(name)
    return label && decodes(sample, label) ? [{ label, confidence }] : []
  })
}

// ASCII words would count as evidence for western languages.
function nonAsciiWords(sample: Buffer): Buffer {
  const words = sample.toString('latin1').match(/[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*/g) ?? []
  return Buffer.from(words.join(' '), 'latin1')
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

function confidentOther(candidates: Candidate[]): string | undefined {
  const chinese = candidates.find((c) => c.label === 'gb18030')?.confidence ?? 0
  const [best] = candidates
  if (!best || best.label === 'gb18030' || best.confidence < CONFIDENT || best.confidence <= chinese) return undefined
  return LATIN.includes(best.label) ? undefined : best.label
}

/** Whether non-ASCII bytes come in runs, as in a text with another alphabet, and not one by one between ASCII letters. */
function isDense(sample: Buffer): boolean {
  const text = sample.toString('latin1')
  const all = text.match(/[\x80-\xff]/g)?.length ?? 0
  const inRuns = text.match(/[\x80-\xff]{2,}/g)?.join('').length ?? 0
  return inRuns >= 0.7 * all
}

function otherAlphabet(candidates: Candidate[]): string | undefined {
  return candidates.find((c) => OTHER_ALPHABETS.includes(c.label))?.label
}

/** windows-1252 is by far the most frequent, so that others need evidence. */
function latin(sample: Buffer, candidates: Candidate[]): string | undefined {
  const western = candidates.find((c) => c.label === 'windows-1252')?.confidence ?? 0
  const other = candidates.find((c) => c.label !== 'windows-1252' && LATIN.includes(c.label))
  const isWestern = decodes(sample, 'windows-1252') && !hasMisplacedSigns(sample, 'windows-1252')
  if (isWestern && !(other && other.confidence >= CONFIDENT && other.confidence >= 2 * western)) return 'windows-1252'
  return other && !hasMisplacedSigns(sample, other.label) ? other.label : undefined
}

function hasMisplacedSigns(sample: Buffer, label: string): boolean {
  return MISPLACED_SIGN.test(new TextDecoder(label).decode(sample))
}

function undecided(name: string, why: string, example: string): RowbackError {
  return sourceError(
    'source.encoding',
    `The encoding of ${name} is not clear. ${why}.`,
    `Say it, for example --encoding ${example}; rows that do not decode are then reported one by one.`
  )
}
