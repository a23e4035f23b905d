/** A Lua script for Redis, known there by its digest. */
import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly lua: string;
  /** SHA-1 of it, as EVALSHA wants it. */
  readonly sha: string;
}

/** To be called once for each script, where its text is. */
export function redisScript(lua: string): RedisScript {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}
