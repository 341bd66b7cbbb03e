import type { BlamedCell, BlameOutput, OriginJson, VersionBrief } from '../../operations/blame.ts'
import type { Style } from '../render.ts'
import { textTable } from './table.ts'
import { when, who } from './versions.ts'

/** Each cell with the version that set it, then those versions in full. */
export function blameView(output: BlameOutput, style: Style): string {
  const key = Object.entries(output.key).map(([name, value]) => `${name}=${value}`)
  const title = `${style.bold(output.table)}  ${key.join(' ')}  ${style.dim(`at version ${output.at}`)}`
  const gone = output.deleted === null ? [] : [style.red(`The row was deleted ${byWhom(output.deleted)}. It was last:`)]
  const hasRemarks = output.cells.some((cell) => cell.remarks !== null)
  const hasVia = output.cells.some((cell) => cell.via.length > 0)
  const head = [
    ...['column', 'value', 'version', 'when', 'who', 'what'],
    ...(hasRemarks ? ['remarks'] : []),
    ...(hasVia ? ['brought back by'] : [])
  ]
  const rows = output.cells.map((cell) => [
    ...[cell.column, cell.value === null ? null : String(cell.value), ...setBy(cell)],
    ...(hasRemarks ? [cell.remarks ?? ''] : []),
    ...(hasVia ? [cell.via.map(broughtBack).join(', ')] : [])
  ])
  return [title, ...gone, textTable(style, head, rows), ...output.notes.map((note) => style.yellow(note))].join('\n')
}

function setBy(cell: BlamedCell): string[] {
  if (cell.origin === 'version') {
    return [
      String(cell.version),
      when(cell.startedAt ?? ''),
      cell.author === null ? '' : who(cell.author),
      cell.description ?? ''
    ]
  }
  if (cell.origin === 'baseline') return ['baseline', '', '', '']
  return [cell.origin, '', '', span(cell)]
}

function byWhom(origin: OriginJson): string {
  if (origin.version === null) return span(origin)
  const author = origin.author === null ? '' : ` (${who(origin.author)}, ${when(origin.startedAt ?? '')})`
  return `by version ${origin.version}, ${origin.description}${author}`
}

function span({ origin, after, upTo }: OriginJson): string {
  if (origin === 'outside') {
    return upTo === null
      ? `outside rowback, since version ${after}`
      : `outside rowback, between versions ${after} and ${upTo}`
  }
  return after === null ? `by version ${upTo} or before` : `by a version after ${after}, up to ${upTo}`
}

function broughtBack({ version, kind, targetVersion }: VersionBrief): string {
  return kind === 'rollback' ? `${version} (back to ${targetVersion})` : `${version} (${kind} of ${targetVersion})`
}
