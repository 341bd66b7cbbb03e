/** The buffer, or a copy of it with twice the room that is needed. @param used so many bytes of it are kept */
export function widened(buffer: Buffer<ArrayBuffer>, used: number, needed: number): Buffer<ArrayBuffer> {
  if (needed <= buffer.length) return buffer
  const wider = Buffer.allocUnsafeSlow(2 * needed)
  buffer.copy(wider, 0, 0, used)
  return wider
}
