import createClient, { type Middleware } from 'openapi-fetch'

import type { components, paths } from './schema'

/** The types of the API, as its document names them. */
export type Schemas = components['schemas']

type ErrorCode = Schemas['ErrorCode'] | 'unreachable' | 'unreadable'

/** A request that failed: `code` is for programs, `message` is the server's sentence. */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly code: ErrorCode,
    message: string,
    readonly data: Record<string, unknown> = {},
    readonly details: Schemas['FieldFailure'][] = [],
    readonly requestId: string | null = null,
  ) {
    super(message)
    this.name = 'ApiFailure'
  }
}

const CHANGING = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Pause before a request whose answer was lost is sent once more, in milliseconds. */
const SECOND_TRY_MS = 400

/** Every change carries a key, so that sending it again after a lost answer is harmless. */
const idempotency: Middleware = {
  onRequest({ request }) {
    if (CHANGING.has(request.method) && !request.headers.has('Idempotency-Key')) {
      request.headers.set('Idempotency-Key', key())
    }
    return request
  },
}

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

async function send(request: Request): Promise<Response> {
  const again = request.clone()
  try {
    return await globalThis.fetch(request)
  } catch (error) {
    if (request.signal.aborted) throw error
    await new Promise((resolve) => setTimeout(resolve, SECOND_TRY_MS))
    return globalThis.fetch(again)
  }
}

/** The one client. Its methods are called through {@link unwrap}. */
export const api = createClient<paths>({ baseUrl: globalThis.location?.origin ?? '', credentials: 'same-origin', fetch: send })
api.use(idempotency)

const signedOutListeners = new Set<() => void>()

/** Calls `listener` whenever the server says that nobody is signed in. */
export function onSignedOut(listener: () => void) {
  signedOutListeners.add(listener)
}

/** Tells everybody who asked {@link onSignedOut}. */
export function signedOut() {
  signedOutListeners.forEach((listener) => listener())
}

interface Outcome<T> {
  data?: T
  error?: unknown
  response: Response
}

/**
 * The answer of a call that succeeded.
 *
 * @throws {ApiFailure} for every other one, also when there was no answer.
 */
export async function unwrap<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>
  try {
    outcome = await call
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    if (error instanceof SyntaxError) throw new ApiFailure(0, 'unreadable', error.message)
    throw new ApiFailure(0, 'unreachable', error instanceof Error ? error.message : String(error))
  }
  if (outcome.response.ok) return outcome.data as T
  throw failure(outcome.response, outcome.error)
}

function failure(response: Response, body: unknown): ApiFailure {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Partial<Schemas['Failure']>
  const code = said.code ?? 'unreadable'
  if (code === 'unauthenticated') signedOut()
  return new ApiFailure(
    response.status,
    code,
    said.error ?? `HTTP ${response.status}`,
    (said.data as Record<string, unknown> | undefined) ?? {},
    said.details ?? [],
    response.headers.get('X-Request-Id'),
  )
}
