/** How one kind of operation is written as arguments of the commit script, and how its reply is read. */
import type { SharedOperation } from '../../../broker/ports.js';
import type { RedisArgument } from '../connection/redis-commands.js';

export interface SharedKind<Operation extends SharedOperation> {
  /** What the script finds at ARGV[a + 1] and behind. */
  encode(operation: Operation): readonly RedisArgument[];
  /** Of what its `applies` returned; missing: nothing. @throws TypeError, RangeError for a reply that is none */
  decode?(reply: unknown): unknown;
  /** It takes memory: refused while Redis is at its limit. */
  readonly grows: boolean;
}

/** For each kind among the operations. */
export type SharedKinds<Operation extends SharedOperation> = {
  readonly [Kind in Operation['kind']]: SharedKind<Extract<Operation, { kind: Kind }>>;
};
