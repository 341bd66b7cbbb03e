import { expect, test } from 'vitest'
import { proposeKey } from '../../src/format/propose-key.ts'

test.each([
  [['name', 'id', 'uuid'], 'dogs', 'id'],
  [['name', 'ID'], 'dogs', 'ID'],
  [['dog_id', 'Uuid'], 'dogs', 'Uuid'],
  [['dog_id', 'dogs_id'], 'dogs', 'dogs_id'],
  [['key', 'Dog_ID'], 'Dogs', 'Dog_ID'],
  [['category_id'], 'categories', 'category_id'],
  [['box_id'], 'boxes', 'box_id'],
  [['house_id'], 'houses', 'house_id'],
  [['code', 'key'], 'dogs', 'key'],
  [['name', 'Code'], 'dogs', 'Code']
])('%j of table %s are told apart by %s', (columns, table, key) => {
  expect(proposeKey(columns, table)).toBe(key)
})

test.each([[['name', 'owner_id', 'idea', 'keys']], [[]]])('%j hold no key of table dogs', (columns) => {
  expect(proposeKey(columns, 'dogs')).toBeNull()
})
