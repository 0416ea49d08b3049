import { afterEach, expect, test, vi } from 'vitest'

import { api, ApiFailure, onSignedOut, unwrap } from './client'

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } })

afterEach(() => vi.unstubAllGlobals())

test('an answer is the body that was sent', async () => {
  vi.stubGlobal('fetch', async () => answer(200, { success: true, status: 'healthy' }))

  expect(await unwrap(api.GET('/api/health'))).toMatchObject({ status: 'healthy' })
})

test('a refusal is a failure with its code, its details and the id of the request', async () => {
  const body = { success: false, error: 'no', code: 'invalid_field', details: [{ field: 'name', message: 'too long' }] }
  vi.stubGlobal('fetch', async () => answer(400, body, { 'X-Request-Id': 'r-1' }))

  const failure = await unwrap(api.GET('/api/health')).catch((error: unknown) => error)

  expect(failure).toBeInstanceOf(ApiFailure)
  expect(failure).toMatchObject({ status: 400, code: 'invalid_field', requestId: 'r-1', details: [{ field: 'name' }] })
})

test('what is no answer of the server is a failure, too', async () => {
  vi.stubGlobal('fetch', async () => answer(502, '<html>Bad gateway</html>', { 'Content-Type': 'text/html' }))

  await expect(unwrap(api.GET('/api/health'))).rejects.toMatchObject({ code: 'unreadable', status: 502 })
})

test('a change whose answer was lost is sent again with the same key', async () => {
  const keys: (string | null)[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    keys.push(request.headers.get('Idempotency-Key'))
    if (keys.length === 1) throw new TypeError('connection reset')
    return answer(200, { success: true })
  })

  await unwrap(api.POST('/api/auth/logout'))

  expect(keys).toHaveLength(2)
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
  expect(keys[1]).toBe(keys[0])
})

test('a server that does not answer twice is unreachable', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('connection refused')
  })

  await expect(unwrap(api.GET('/api/health'))).rejects.toMatchObject({ code: 'unreachable' })
})

test('whoever is not signed in any more is told to all who asked', async () => {
  const told = vi.fn()
  onSignedOut(told)
  vi.stubGlobal('fetch', async () => answer(401, { success: false, error: 'sign in', code: 'unauthenticated' }))

  await expect(unwrap(api.GET('/api/projects'))).rejects.toMatchObject({ code: 'unauthenticated' })
  expect(told).toHaveBeenCalledOnce()
})
