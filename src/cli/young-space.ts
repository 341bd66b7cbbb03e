import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const ENOUGH_BYTES = 16 << 20
const LOOK_MS = 20
/** V8's own. */
const GROWTH_FACTOR = 2

/**
 * Keeps V8's space for new objects from growing beyond 16 MiB: rows come and go in batches, and the larger space only
 * takes memory (100 MB in a load of a million rows, and no less time). Its limit can only be given when Node starts, but
 * the factor by which it grows is read each time. V8 makes the space smaller while little is allocated: then it has to
 * grow again, or rows would be moved among the old objects before they are done with.
 */
export function keepYoungSpaceSmall(): void {
  let mayGrow = true
  const look = setInterval(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')
    const isSmall = young !== undefined && young.space_size < ENOUGH_BYTES
    if (isSmall === mayGrow) return
    mayGrow = isSmall
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? GROWTH_FACTOR : 1}`)
  }, LOOK_MS)
  look.unref()
}
