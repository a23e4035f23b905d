/** A request as octets: one frame, or a transaction around several, in one piece. */
import { serializeFrame, type StompVersion } from '../../../protocol/index.js';
import type { RelayedFrame, RelayRequest } from '../../../broker/ports.js';

type Header = readonly [string, string];

/** Unique on every connection: transactions are open for the length of one write. */
let lastTransaction = 0;

/** @param receipt asked for with the last frame; null: with none */
export function serializeRequest({ frames }: RelayRequest, receipt: Header | null, version: StompVersion): Buffer {
  const asked = receipt === null ? [] : [receipt];
  const [first] = frames;
  if (frames.length === 1 && first !== undefined) return serialize(first, asked, version);
  const transaction: Header = ['transaction', `hoofbeat-${++lastTransaction}`];
  return Buffer.concat([
    serializeFrame('BEGIN', [transaction], version),
    ...frames.map((frame) => serialize(frame, [transaction], version)),
    serializeFrame('COMMIT', [transaction, ...asked], version),
  ]);
}

function serialize({ command, headers, body }: RelayedFrame, also: readonly Header[], version: StompVersion): Buffer {
  const length: readonly Header[] = body === null ? [] : [['content-length', String(body.length)]];
  return serializeFrame(command, [...headers, ...also, ...length], version, body ?? undefined);
}
