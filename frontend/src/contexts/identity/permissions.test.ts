import { expect, test } from 'vitest'

import { isFor, isForMember, scopesFor, type Permission } from './permissions'

const ALL: Permission[] = ['projects.create', 'projects.write', 'projects.delete', 'members.write', 'agents.write', 'proposals.decide', 'catalog.write', 'ledger.prove', 'administer']

test('an administrator may do everything, in every project', () => {
  expect(ALL.every((permission) => isFor(permission, 'admin') && isForMember(permission, 'admin', null))).toBe(true)
})

test('a viewer changes nothing, whatever they are in a project', () => {
  expect(ALL.some((permission) => isFor(permission, 'viewer') || isForMember(permission, 'viewer', 'owner'))).toBe(false)
})

test('a member does in a project what they are there', () => {
  expect(isForMember('projects.write', 'member', 'viewer')).toBe(false)
  expect(isForMember('projects.write', 'member', 'editor')).toBe(true)
  expect(isForMember('projects.delete', 'member', 'editor')).toBe(false)
  expect(isForMember('members.write', 'member', 'owner')).toBe(true)
  expect(isFor('administer', 'member')).toBe(false)
  expect(isFor('catalog.write', 'member')).toBe(false)
})

test('where somebody is no member, or it is not known yet, nothing is offered', () => {
  expect(isForMember('projects.write', 'member', null)).toBe(false)
  expect(isForMember('projects.write', 'member', undefined)).toBe(false)
  expect(isFor('projects.create', undefined)).toBe(false)
})

test('a key can do no more than its owner', () => {
  expect(scopesFor('viewer')).toEqual(['read'])
  expect(scopesFor('member')).not.toContain('admin')
  expect(scopesFor('admin')).toContain('admin')
})
