import type { ColumnType } from '../model/table.ts'
import { INT64 } from './number-guess.ts'

/** The type names of a plan file, for people. */
export const TYPE_NAMES =
  'integer, decimal(precision,scale), double, boolean, text, text(length), date, datetime, time, blob, json'

const SIZED = /^(decimal|text)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)$/

/** Reads a type as a plan file names it: `integer`, `decimal(12,2)`, `text(64)`; null when there is no such type. */
export function typeNamed(name: string): ColumnType | null {
  switch (name) {
    case 'integer':
      return INT64
    case 'text':
      return { kind: 'text', maxLength: null }
    case 'double':
    case 'boolean':
    case 'date':
    case 'datetime':
    case 'time':
    case 'blob':
    case 'json':
      return { kind: name }
    default:
      return sizedType(name)
  }
}

function sizedType(name: string): ColumnType | null {
  const match = SIZED.exec(name)
  if (!match) return null
  const size = Number(match[2])
  const scale = match[3] === undefined ? null : Number(match[3])
  if (size === 0) return null
  if (match[1] === 'text') return scale === null ? { kind: 'text', maxLength: size } : null
  return (scale ?? 0) > size ? null : { kind: 'decimal', precision: size, scale: scale ?? 0 }
}
