import { api, unwrap, type Schemas } from '@/api/client'

/** What the server says of itself. */
export type Meta = Schemas['MetaView']

export const getMeta = async (signal?: AbortSignal) => (await unwrap(api.GET('/api/meta', { signal }))).data
