/**
 * The auction: SockJS at `/ws`, a simple broker with `/app` and `/topic`, a table of connections, and live bidding. What
 * clients were written against is in README.md, row by row.
 */
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { z } from 'zod';
import { type Broker, type Clock, hoofbeat, SystemClock } from '../../adapters/index.js';
import { type OperationOptions, operationOf } from '../shared/operation.js';
import { servePage } from '../shared/page.js';
import { API_DOCUMENT } from './api-document.js';
import { AuctionHouse, type AuctionItem, BidRefused } from './auction-house.js';
import { ConnectionQuality } from './connection-quality.js';

const UPDATES = '/topic/auctions/updates';
const Bid = z.object({ amount: z.number().positive() });
const Ping = z.object({ roundTripMs: z.number().nonnegative().max(600_000).optional() });
const TICK_MS = 250;

export interface AuctionAppOptions extends OperationOptions {
  /** Of several nodes the same one: a database, say. */
  readonly house?: AuctionHouse | undefined;
  readonly logLevel?: string | undefined;
  /** As Spring reads them. Default: any. */
  readonly allowedOriginPatterns?: readonly string[] | undefined;
  /** File of the connection log; false keeps it in memory. */
  readonly connectionFile?: string | false | undefined;
  /** How long a row may wait until it is written. Default 1,000. */
  readonly connectionFlushMs?: number | undefined;
  /** Believe `X-Forwarded-For` of the handshake: only behind a proxy that sets it. */
  readonly trustProxy?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

/** The handlers; apart from the server, so that they can be tested without one. */
export function registerAuction(broker: Broker, house: AuctionHouse): void {
  broker.events.on('connect', ({ session, headers }) => {
    session.attributes.set('userId', headers.get('X-User-ID'));
  });
  broker.message(
    '/auctions/subscribe',
    ({ session, headers }) => {
      const userId = headers.get('X-User-ID') ?? session.attributes.get('userId');
      try {
        return { type: 'AUCTION_LIST', data: house.active() };
      } catch (error) {
        return {
          type: 'ERROR',
          message: `Auctions for session ${session.id}, user ${String(userId)}: ${String(error)}`,
        };
      }
    },
    { sendTo: UPDATES },
  );
  broker.group('/auctions', (group) => {
    group.message(
      '/{id}/bid',
      ({ payload, variables }) => tellChange(broker, house, house.bid(Number(variables.id), payload.amount)),
      {
        schema: Bid,
      },
    );
    // To the bidder alone: nobody else has done anything wrong.
    group.onError(
      (error) => ({
        type: 'ERROR',
        message: error instanceof BidRefused ? error.message : 'A bid wants {"amount": a number above 0}',
      }),
      { sendToUser: '/queue/errors', broadcast: false },
    );
  });
}

/** `/app/connection/ping` is answered to its sender, who measures how long that takes and says so in the next ping. */
export function registerQuality(broker: Broker, quality: ConnectionQuality): void {
  broker.events.on('disconnect', ({ session }) => {
    quality.forget(session.id);
  });
  broker.message(
    '/connection/ping',
    ({ session, payload }) => {
      const userId = session.attributes.get('userId');
      if (payload.roundTripMs !== undefined) {
        quality.note(session.id, typeof userId === 'string' ? userId : null, payload.roundTripMs);
      }
      return { type: 'PONG' };
    },
    { schema: Ping, sendToUser: '/queue/pong', broadcast: false },
  );
}

/** Everybody gets the whole list, as after `/app/auctions/subscribe`, with what has just ended in it once. */
export async function tellChange(broker: Broker, house: AuctionHouse, ...changed: AuctionItem[]): Promise<void> {
  const ended = changed.filter(({ status }) => status === 'ENDED');
  await broker.convertAndSend(UPDATES, { type: 'AUCTION_LIST', data: [...house.active(), ...ended] });
}

/** The application, not listening yet. */
export async function createAuctionApp(options: AuctionAppOptions = {}): Promise<FastifyInstance> {
  const { house = new AuctionHouse(), logLevel = 'info', allowedOriginPatterns = ['*'] } = options;
  const { clock = new SystemClock() } = options;
  const app = fastify({
    // Opening what is stored may take longer than the ten seconds that Fastify gives a plugin.
    pluginTimeout: 60_000,
    logger: { level: logLevel },
    logController: new LogController({ disableRequestLogging: true }),
  });
  await app.register(hoofbeat, {
    endpoints: [{ path: '/ws', allowedOriginPatterns, trustProxy: options.trustProxy ?? false }],
    auth: { anonymous: true },
    clock,
    ...operationOf(options),
    connectionLog: {
      file: options.connectionFile ?? false,
      flushIntervalMs: options.connectionFlushMs,
      userIdHeader: 'X-User-ID',
      addressHeader: 'X-Forwarded-For',
    },
  });
  registerAuction(app.broker, house);
  const quality = new ConnectionQuality();
  registerQuality(app.broker, quality);
  const ticking = setInterval(() => {
    const changed = house.tick(Date.now());
    if (changed.length > 0) void tellChange(app.broker, house, ...changed);
  }, TICK_MS);
  app.addHook('preClose', (done) => {
    clearInterval(ticking);
    done();
  });
  app.get('/api/ws-stats/connections', () => app.connectionLog?.statistics());
  app.get('/api/ws-stats/quality', () => quality.summary());
  app.get('/openapi.json', () => API_DOCUMENT);
  await servePage(app, 'auction', { title: 'Auction', libraries: ['sockjs.js', 'stomp.js'] });
  return app;
}
