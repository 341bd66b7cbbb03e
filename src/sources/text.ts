import { decodeUtf16, type Encoding, isUtf16 } from './encoding.ts'
import { decodeMarking, sequenceKeeper } from './utf8.ts'

/** Decodes the next chunk; `last` says that no other follows. */
export type Decoder = (chunk: Buffer, last: boolean) => string

/**
 * A decoder for one pass. Bytes that do not decode become lone surrogates (`!text.isWellFormed()`), which valid text
 * never has: nothing is replaced silently.
 */
export function decoderFor(encoding: Encoding): Decoder {
  const decode = isUtf16(encoding)
    ? utf16(encoding.label)
    : encoding.label === 'utf-8'
      ? utf8(encoding)
      : other(encoding)
  return encoding.bom > 0 ? withoutStart(encoding.bom, decode) : decode
}

function utf8({ sound }: Encoding): Decoder {
  const keep = sequenceKeeper()
  return (chunk, last) => (sound ? keep(chunk, last).toString('utf8') : decodeMarking(keep(chunk, last)))
}

function utf16(label: string): Decoder {
  let odd: Buffer = Buffer.alloc(0)
  return (chunk, last) => {
    const bytes = odd.length > 0 ? Buffer.concat([odd, chunk]) : chunk
    const whole = bytes.length - (bytes.length % 2)
    odd = Buffer.from(bytes.subarray(whole))
    const text = decodeUtf16(bytes.subarray(0, whole), label)
    return last && odd.length > 0 ? `${text}\udc00` : text
  }
}

function other({ label }: Encoding): Decoder {
  // GB 18030 extends GBK, and files that are called GBK contain its characters.
  const decoder = new TextDecoder(label === 'gbk' ? 'gb18030' : label)
  return (chunk, last) => decoder.decode(chunk, { stream: !last }).replaceAll('\ufffd', '\udc00')
}

function withoutStart(count: number, decode: Decoder): Decoder {
  let left = count
  return (chunk, last) => {
    const skipped = Math.min(left, chunk.length)
    left -= skipped
    return decode(chunk.subarray(skipped), last)
  }
}
