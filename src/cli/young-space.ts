import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const ENOUGH_BYTES = 16 << 20
const LOOK_MS = 20

/**
 * Keeps V8's space for new objects from growing beyond 16 MiB: rows come and go in batches, and the larger space only
 * takes memory (100 MB in a load of a million rows, and no less time). Its limit can only be given when Node starts, but
 * the factor by which it grows is read each time.
 */
export function keepYoungSpaceSmall(): void {
  const look = setInterval(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')
    if (young && young.space_size < ENOUGH_BYTES) return
    setFlagsFromString('--semi-space-growth-factor=1')
    clearInterval(look)
  }, LOOK_MS)
  look.unref()
}
