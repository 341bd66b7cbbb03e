import { expect, test } from 'vitest'
import { repeatedFlags } from '../../src/cli/program.ts'
import { withoutPassword } from '../../src/config.ts'

test.each([
  ['mysql://ann:s3cret@db.example.com:3306/shop?ssl=true', 'mysql://ann@db.example.com:3306/shop?ssl=true'],
  ['--target=mariadb://ann:s3cret@db/shop', '--target=mariadb://ann@db/shop'],
  ['mysql://ann:p@ss:w@rd@db/shop', 'mysql://ann@db/shop'],
  ['mysql://:s3cret@db/shop', 'mysql://@db/shop'],
  ['mysql://ann:@db/shop', 'mysql://ann@db/shop']
])('no part of the password stays of %s', (text, bare) => {
  expect(withoutPassword(text)).toBe(bare)
})

test.each([
  'sqlite:shop.db',
  'sqlite:a:b@c.db',
  'mysql://ann@db:3306/shop',
  'mysql://db:3306/a?sslCa=/x:y@z',
  'a: b@c'
])('%s has none and stays as it is', (text) => {
  expect(withoutPassword(text)).toBe(text)
})

test.each([
  [['log', '--target', 'mysql://ann:s3cret@db/shop'], ' --target mysql://ann@db/shop', true],
  [['log', '--target=mysql://ann:p%40ss@db/shop?ssl=true'], " --target 'mysql://ann@db/shop?ssl=true'", true],
  [['log', '--target', 'mysql://ann:pa/ss@db/shop', '--repository', 'kept'], ' --repository kept', false],
  [['log', '--target', 'mysql://ann@db:3306/shop'], ' --target mysql://ann@db:3306/shop', false],
  [['log'], '', false]
])('the flags of %j that are typed again', (argv, flags, lacksPassword) => {
  expect(repeatedFlags(argv)).toEqual({ flags, lacksPassword })
})
