import type { Engine } from '../engines/engine.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from '../engines/engine.ts'
import type { Table } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'

/** The columns and the key of a table that was dropped: its history table has them. */
export async function shapeFromHistory(engine: Engine, tracked: TrackedTable): Promise<Table | undefined> {
  const history = await engine.historyShape(tracked.history)
  const own = (name: string) => name !== VERSION_COLUMN && name !== SUPERSEDED_COLUMN
  return (
    history && {
      ...history,
      name: tracked.table,
      columns: history.columns.filter((column) => own(column.name)),
      key: history.key?.filter(own) ?? null
    }
  )
}
