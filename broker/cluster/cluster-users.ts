/**
 * Messages for users whose sessions are on other nodes. A node wants what is for a user as long as a session of the user
 * has subscribed under `/user`; what is for one session by its id alone goes to all nodes, as nobody knows where it is.
 */
import type { UserRegistry } from '../application/user-registry.js';
import type { UserDestinations } from '../destinations/user-destinations.js';
import type { Message } from '../message.js';
import { decodeForeign, encodeMessage } from '../storage/message-codec.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Cluster } from './cluster.js';

export interface ClusterUsersParts {
  readonly cluster: Cluster;
  readonly destinations: UserDestinations;
  readonly users: UserRegistry;
  readonly nextMessageId: () => number;
  readonly isHere: (sessionId: string) => boolean;
}

/** Who a message is for. */
export interface UserAddress {
  readonly user: string;
  /** Null: all sessions of the user. One that is named by its id as `user` too need not be of a user. */
  readonly sessionId: string | null;
  /** Behind the user, with its leading slash. */
  readonly rest: string;
}

/** Outside every prefix that a client can send to or subscribe. */
const USER_CHANNELS = '/$user/';
const SESSIONS_CHANNEL = '/$session';
const LENGTH_BYTES = 2;

/** The channel of a user: whatever the name, no pattern and no separator is in it. */
export function userChannel(user: string): string {
  return USER_CHANNELS + Buffer.from(user).toString('base64url');
}

export class ClusterUsers {
  readonly #parts: ClusterUsersParts;

  constructor(parts: ClusterUsersParts) {
    this.#parts = parts;
    const receive = (octets: Buffer, channel: string): void => {
      this.#receive(channel, octets);
    };
    parts.cluster.hear(SESSIONS_CHANNEL, receive);
    parts.cluster.hearBelow(USER_CHANNELS, receive);
  }

  /** Whether sessions of other nodes are meant. @param isOwn the sender means its own session */
  mayBeElsewhere({ sessionId }: Pick<UserAddress, 'sessionId'>, isOwn: boolean): boolean {
    return !isOwn && (sessionId === null || !this.#parts.isHere(sessionId));
  }

  /**
   * Before the message takes effect here. @throws BrokerError `relay-unavailable`, when somebody waits for a RECEIPT
   */
  check(unit: WriteUnit): void {
    this.#parts.cluster.check(unit);
  }

  /** To the other nodes, behind the sessions here. */
  publish(address: UserAddress, message: Message, unit: WriteUnit): void {
    const { user, sessionId, rest } = address;
    const channel = sessionId !== null && user === sessionId ? SESSIONS_CHANNEL : userChannel(user);
    this.#parts.cluster.publishOctets(channel, encode(sessionId ?? '', rest, message), unit);
  }

  /** From another node. @throws RangeError, SyntaxError for octets that are none of these */
  #receive(channel: string, octets: Buffer): void {
    const { destinations, nextMessageId } = this.#parts;
    const session = text(octets, 0);
    const rest = text(octets, session.end);
    const message = decodeForeign(nextMessageId(), octets.subarray(rest.end));
    const unit = new WriteUnit(null);
    for (const id of this.#recipients(channel, session.value)) destinations.publish(id, rest.value, message, unit);
  }

  #recipients(channel: string, sessionId: string): Iterable<string> {
    if (channel === SESSIONS_CHANNEL) return [sessionId];
    const { users } = this.#parts;
    const user = Buffer.from(channel.slice(USER_CHANNELS.length), 'base64url').toString();
    if (sessionId === '') return users.sessionIds(user) ?? [];
    return users.has(user, sessionId) ? [sessionId] : [];
  }
}

/** Two texts, each behind its length, and the message. */
function encode(sessionId: string, rest: string, message: Message): Buffer {
  const parts: Buffer[] = [];
  for (const value of [sessionId, rest]) {
    const octets = Buffer.from(value);
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt16BE(octets.length);
    parts.push(length, octets);
  }
  return Buffer.concat([...parts, encodeMessage(message)]);
}

function text(octets: Buffer, at: number): { readonly value: string; readonly end: number } {
  const start = at + LENGTH_BYTES;
  const end = start + octets.readUInt16BE(at);
  return { value: octets.toString('utf8', start, end), end };
}
