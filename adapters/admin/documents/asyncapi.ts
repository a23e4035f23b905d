/**
 * The AsyncAPI 3 document of the running server: where clients connect, what they may send to `/app` and what comes of it,
 * which topics and queues the configuration speaks of. Seen from the server: it receives what clients send.
 */
import { z } from 'zod';
import type { Broker } from '../../../broker/broker.js';
import type { ListenAddress } from '../../../broker/ports.js';
import type { AdministeredServer } from '../admin-parts.js';

type Json = Readonly<Record<string, unknown>>;
type Handler = ReturnType<Broker['operations']['handlers']> extends Iterable<infer Entry> ? Entry : never;

export interface AsyncApiDocument extends Json {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: Readonly<Record<string, AsyncServer>>;
  readonly channels: Readonly<Record<string, AsyncChannel>>;
  readonly operations: Readonly<Record<string, AsyncOperation>>;
}

export interface AsyncServer extends Json {
  readonly host: string;
  readonly protocol: string;
  readonly pathname?: string;
  readonly description: string;
}

export interface AsyncChannel extends Json {
  readonly address: string;
  readonly description: string;
}

export interface AsyncOperation extends Json {
  readonly action: 'send' | 'receive';
  readonly channel: { readonly $ref: string };
  readonly summary: string;
  readonly reply?: { readonly channel: { readonly $ref: string } };
}

const ANY_MESSAGE = { message: { summary: 'Any body', payload: {} } };

export function asyncApiDocument(broker: Broker, server: AdministeredServer): AsyncApiDocument {
  const document = new Document(broker);
  for (const handler of broker.operations.handlers()) document.addHandler(handler);
  document.addPrefixes();
  document.addRules();
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'STOMP destinations of this server',
      version: server.version,
      description: 'STOMP 1.0, 1.1 and 1.2. Addresses are values of the header `destination`.',
    },
    defaultContentType: 'application/json',
    servers: serversOf(server),
    channels: document.channels,
    operations: document.operations,
  };
}

function serversOf({ addresses, endpoints }: AdministeredServer): Record<string, AsyncServer> {
  const servers: Record<string, AsyncServer> = {};
  for (const address of addresses) {
    if (address.isAdmin === true) continue;
    const host = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
    for (const [name, server] of serversAt(address, host, endpoints)) servers[uniqueIn(servers, name)] = server;
  }
  return servers;
}

function serversAt(
  { transport }: ListenAddress,
  host: string,
  endpoints: AdministeredServer['endpoints'],
): [string, AsyncServer][] {
  if (transport === 'tcp' || transport === 'tls') {
    const protocol = transport === 'tls' ? 'stomps' : 'stomp';
    return [[transport, { host, protocol, description: 'STOMP over TCP' }]];
  }
  const secure = transport === 'https' ? 's' : '';
  return endpoints.flatMap(({ path, isSockJs }): [string, AsyncServer][] => [
    [slug(`websocket${path}`), { host, protocol: `ws${secure}`, pathname: path, description: 'STOMP over WebSocket' }],
    ...(isSockJs
      ? ([
          [
            slug(`sockjs${path}`),
            { host, protocol: `http${secure}`, pathname: path, description: 'STOMP over SockJS' },
          ],
        ] as [string, AsyncServer][])
      : []),
  ]);
}

class Document {
  readonly channels: Record<string, AsyncChannel> = {};
  readonly operations: Record<string, AsyncOperation> = {};
  readonly #broker: Broker;
  /** Address → id. */
  readonly #ids = new Map<string, string>();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  addHandler({ kind, pattern, options }: Handler): void {
    const [prefix = ''] = this.#broker.options.destinations.appPrefixes;
    const schema = jsonSchemaOf(options.schema);
    const messages = {
      message: { summary: schema === null ? 'Any body' : 'As the schema of its handler', payload: schema ?? {} },
    };
    const channel = this.#channel(prefix + pattern, 'Handled by the application', messages);
    const isMessage = kind === 'message';
    const replies = isMessage ? this.#repliesOf(pattern, options) : [];
    const [reply] = replies;
    this.#operation(isMessage ? `handle ${pattern}` : `answer ${pattern}`, {
      action: 'receive',
      channel,
      summary: isMessage ? 'SEND by a client' : 'SUBSCRIBE by a client, answered with one message',
      ...(reply === undefined ? {} : { reply: { channel: this.#channel(reply, 'Replies of handlers', ANY_MESSAGE) } }),
    });
    for (const address of replies.slice(1)) this.#channel(address, 'Replies of handlers', ANY_MESSAGE);
  }

  /** Where the result of a handler goes: as its options say, or `/topic` and its path. */
  #repliesOf(pattern: string, { sendTo, sendToUser = false }: Handler['options']): string[] {
    const { topicPrefixes, userPrefix } = this.#broker.options.destinations;
    const toUser = sendToUser === true ? [`/queue${pattern}`] : sendToUser === false ? [] : [sendToUser].flat();
    const named = [...(sendTo === undefined ? [] : [sendTo].flat()), ...toUser.map((rest) => userPrefix + rest)];
    return named.length > 0 ? named : [(topicPrefixes[0] ?? '/topic') + pattern];
  }

  addPrefixes(): void {
    const { topicPrefixes, queuePrefixes, userPrefix } = this.#broker.options.destinations;
    for (const prefix of topicPrefixes) {
      this.#both(`${prefix}/{name}`, 'Topics: every subscriber gets each message; names may have more segments');
    }
    for (const prefix of queuePrefixes) {
      this.#both(`${prefix}/{name}`, 'Queues: one consumer gets each message; names may have more segments');
      this.#sends(`${userPrefix}${prefix}/{name}`, "Each session's own: what is for its user alone");
    }
  }

  addRules(): void {
    const { queues, history, inbox } = this.#broker.options;
    for (const { pattern, mode, durable } of queues) {
      const kept = durable ? ', stored' : '';
      this.#both(
        pattern,
        mode === 'broadcast' ? 'A queue that every subscriber gets' : `A queue with rules of its own${kept}`,
      );
    }
    for (const { pattern } of history) this.#both(pattern, 'A topic that keeps messages, for who comes later or again');
    for (const { pattern } of inbox.rules) this.#sends(pattern, 'Kept for users who are not there');
  }

  #both(address: string, description: string): void {
    const channel = this.#channel(address, description, ANY_MESSAGE);
    this.#operation(`receive ${address}`, { action: 'receive', channel, summary: 'SEND by a client' });
    this.#operation(`send ${address}`, { action: 'send', channel, summary: 'MESSAGE to who has subscribed' });
  }

  #sends(address: string, description: string): void {
    const channel = this.#channel(address, description, ANY_MESSAGE);
    this.#operation(`send ${address}`, { action: 'send', channel, summary: 'MESSAGE to who has subscribed' });
  }

  #channel(written: string, description: string, messages: Json): { readonly $ref: string } {
    // `{name:regex}`: the document knows no such thing.
    const address = written.replace(/\{(\w+):[^}]*\}/g, '{$1}');
    let id = this.#ids.get(address);
    if (id === undefined) {
      id = uniqueIn(this.channels, slug(address));
      this.#ids.set(address, id);
      const names = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name ?? '', {}]);
      const parameters = names.length === 0 ? {} : { parameters: Object.fromEntries(names) as Json };
      this.channels[id] = { address, description, ...parameters, messages };
    }
    return { $ref: `#/channels/${id}` };
  }

  #operation(name: string, operation: AsyncOperation): void {
    this.operations[uniqueIn(this.operations, slug(name))] = operation;
  }
}

/** Of a zod schema; others do not tell. */
function jsonSchemaOf(schema: unknown): Json | null {
  if (typeof schema !== 'object' || schema === null || !('_zod' in schema)) return null;
  try {
    const made = z.toJSONSchema(schema as z.ZodType, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
    return Object.fromEntries(Object.entries(made).filter(([key]) => key !== '$schema' && key !== '~standard'));
  } catch {
    return null;
  }
}

function slug(text: string): string {
  return text.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'root';
}

function uniqueIn(taken: Json, name: string): string {
  for (let k = 1; ; k++) {
    const candidate = k === 1 ? name : `${name}-${k}`;
    if (!Object.hasOwn(taken, candidate)) return candidate;
  }
}
