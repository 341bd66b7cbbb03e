import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareDecimals, type Decimal, fractionDigits, parseDecimal, toScale } from '../../src/format/decimal-text.ts'

const SCALE = 40

/** Every generated number as an integer count of 10^-SCALE. */
function units(text: string): bigint {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  return BigInt(whole + fraction) * 10n ** BigInt(SCALE - fraction.length + Number(exponent))
}

const digits = fc.stringMatching(/^\d{1,8}$/)
const numberText = fc
  .tuple(fc.constantFrom('', '-', '+'), digits, fc.option(digits), fc.option(fc.integer({ min: -9, max: 9 })))
  .map(
    ([sign, whole, fraction, exponent]) =>
      `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`
  )

function parse(text: string): Decimal {
  const number = parseDecimal(text)
  if (!number) throw new Error(`${text} is no number`)
  return number
}

test('a number keeps its value in plain and in scientific notation', () => {
  fc.assert(
    fc.property(numberText, (text) => {
      const number = parse(text)
      expect(units(toScale(number, SCALE))).toBe(units(text))
      expect(toScale(parse(toScale(number, SCALE)), SCALE)).toBe(toScale(number, SCALE))
      expect(units(toScale(number, fractionDigits(number)))).toBe(units(text))
    })
  )
})

test('numbers order as their values do', () => {
  fc.assert(
    fc.property(numberText, numberText, (a, b) => {
      const order = compareDecimals(parse(a), parse(b))
      expect(Math.sign(order)).toBe(units(a) < units(b) ? -1 : units(a) > units(b) ? 1 : 0)
    })
  )
})

test('a long cell takes no longer than its length', () => {
  const zeros = '0'.repeat(200_000)
  expect(parse(`1${zeros}1`).digits).toHaveLength(200_002)
  expect(parse(`0.${zeros}1`).point).toBe(-200_000)
})
