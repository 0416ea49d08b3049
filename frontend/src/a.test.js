import {test,expect} from 'vitest'
test('one',()=>expect(1).toBe(1)); test('two',()=>expect(2).toBe(2)); test.skip('three',()=>{})
if (process.env.BREAK) test('broken',()=>expect(1).toBe(2))
