/** The auction example, row by row (A1 to A14), with the client it was written for. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Validator } from '@seriousme/openapi-schema-validator';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import { resolveServerOptions } from '../../adapters/config/index.js';
import { assertMatch, createTestBroker, expectNoMessage } from '../../adapters/testing/index.js';
import { pickFreePort } from '../../adapters/workers/free-port.js';
import { API_DOCUMENT } from '../../examples/auction/api-document.js';
import { AuctionHouse, BidRefused } from '../../examples/auction/auction-house.js';
import { ConnectionQuality } from '../../examples/auction/connection-quality.js';
import {
  type AuctionAppOptions,
  createAuctionApp,
  registerAuction,
  registerQuality,
  tellChange,
} from '../../examples/auction/server.js';
import { Browser } from '../helpers/chromium.js';
import { connectLegacy, curl, listen, picture, subscribeLegacy } from '../helpers/example.js';
import { DEADLINE_MS } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { until } from '../helpers/until.js';
import { WebSocketClient } from '../helpers/websocket-client.js';
import { Typist } from '../helpers/wscat.js';

const MINUTE_MS = 60_000;

/** A clock that runs, one that is to come. */
function fill(house: AuctionHouse, nowMs = Date.now()): AuctionHouse {
  const lot = (name: string, startsInMs: number): void => {
    const startsEpochMs = nowMs + startsInMs;
    house.add({
      name,
      description: `${name}, used`,
      startPrice: 100,
      startsEpochMs,
      endsEpochMs: startsEpochMs + 2 * MINUTE_MS,
    });
  };
  lot('Clock', -MINUTE_MS);
  lot('Saddle', MINUTE_MS);
  house.tick(nowMs);
  return house;
}

t.test('A14: the clock starts and ends auctions; a bid has to be on one that is ongoing, and higher', async (t) => {
  const house = fill(new AuctionHouse(), 1_000_000_000_000);
  const status = (): string[] => house.active().map((item) => `${item.name} ${item.status} ${item.currentPrice}`);
  t.strictSame(status(), ['Clock ONGOING 100', 'Saddle UPCOMING 100']);
  t.equal(house.bid(1, 120).currentPrice, 120);
  t.throws(() => house.bid(1, 120), BidRefused);
  t.throws(() => house.bid(2, 200), /is UPCOMING, not ONGOING/);
  t.throws(() => house.bid(3, 200), /no auction 3/);
  t.match(house.tick(1_000_000_000_000 + MINUTE_MS), [
    { name: 'Clock', status: 'ENDED' },
    { name: 'Saddle', status: 'ONGOING' },
  ]);
  t.strictSame(status(), ['Saddle ONGOING 100']);
  t.throws(() => house.bid(1, 500), /is ENDED/);
});

t.test('A14: of auctions that are over the latest hundred are known', async (t) => {
  const house = new AuctionHouse();
  for (let k = 0; k < 101; k++) {
    house.add({ name: `Lot ${k}`, description: '', startPrice: 1, startsEpochMs: 0, endsEpochMs: 1 });
    house.tick(1);
  }
  t.throws(() => house.bid(1, 2), /no auction 1$/);
  t.throws(() => house.bid(2, 2), /Lot 1 is ENDED/);
});

t.test('A8, A14: everybody gets the list and every change; a refused bid is told to its bidder alone', async (t) => {
  const house = fill(new AuctionHouse());
  const test = await createTestBroker({
    handlers: (broker) => {
      registerAuction(broker, house);
    },
  });
  const [ann, bob] = [await test.connect(), await test.connect()];
  const [annSees, bobSees] = [
    await ann.subscribe('/topic/auctions/updates'),
    await bob.subscribe('/topic/auctions/updates'),
  ];
  const annErrors = await ann.subscribe('/user/queue/errors');
  const bobErrors = await bob.subscribe('/user/queue/errors');
  await ann.send('/app/auctions/subscribe', '');
  const list = {
    type: 'AUCTION_LIST',
    data: [
      { id: 1, name: 'Clock', status: 'ONGOING' },
      { id: 2, status: 'UPCOMING' },
    ],
  };
  t.match((await ann.nextMessage(annSees)).payload, list);
  t.match((await bob.nextMessage(bobSees)).payload, list);
  await ann.send('/app/auctions/1/bid', { amount: 130.5 });
  t.match((await bob.nextMessage(bobSees)).payload, {
    type: 'AUCTION_LIST',
    data: [{ id: 1, currentPrice: 130.5 }, { id: 2 }],
  });
  for (const [bid, message] of [
    [{ amount: 1 }, /not above the current price/],
    [{ amount: 'much' }, /wants \{"amount"/],
  ] as const) {
    await ann.send('/app/auctions/1/bid', bid);
    t.match((await ann.nextMessage(annErrors)).payload, { type: 'ERROR', message });
  }
  assertMatch(expectNoMessage(bob, { subscription: bobErrors }));
  t.equal(bob.messages(bobSees).length, 2);
  await tellChange(test.broker, house, ...house.tick(Date.now() + 90_000));
  const { payload } = await bob.nextMessage(bobSees);
  t.match(
    payload,
    {
      data: [
        { id: 2, status: 'ONGOING' },
        { id: 1, status: 'ENDED' },
      ],
    },
    'what ended is there once more',
  );
});

t.test('A8: a house that fails is an ERROR message on the topic', async (t) => {
  class BrokenHouse extends AuctionHouse {
    override active(): never {
      throw new Error('the cellar is flooded');
    }
  }
  const test = await createTestBroker({
    handlers: (broker) => {
      registerAuction(broker, new BrokenHouse());
    },
  });
  const client = await test.connect({ headers: { 'X-User-ID': '77' } });
  const updates = await client.subscribe('/topic/auctions/updates');
  await client.send('/app/auctions/subscribe', '');
  const { payload } = await client.nextMessage(updates);
  t.match(payload, { type: 'ERROR', message: /session \S+, user 77: Error: the cellar is flooded/ });
});

async function start(
  t: Test,
  options: AuctionAppOptions = {},
): Promise<{ url: string; file: string; house: AuctionHouse }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-auction-'));
  const file = path.join(folder, 'connections.db');
  const house = options.house ?? fill(new AuctionHouse());
  const app = await createAuctionApp({
    logLevel: 'silent',
    connectionFile: file,
    connectionFlushMs: 20,
    ...options,
    house,
  });
  const url = await listen(t, app);
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  return { url, file, house };
}

t.test('A4 to A9, A11: SockJS and Stomp.over as its page uses them, the table, the statistics by curl', async (t) => {
  const { url, file } = await start(t);
  const client = await connectLegacy(t, `${url}/ws`, {
    'X-User-ID': '123',
    'X-Forwarded-For': '203.0.113.9, 10.0.0.1',
  });
  const updates = subscribeLegacy(client, '/topic/auctions/updates');
  client.send('/app/auctions/subscribe');
  t.match(await updates.next('the list'), { type: 'AUCTION_LIST', data: [{ id: 1, currentPrice: 100 }, { id: 2 }] });

  const statistics = await curl(`${url}/api/ws-stats/connections`);
  t.equal(statistics.status, 200);
  t.strictSame(statistics.body, {
    total: 1,
    byStatus: { CONNECTED: 1, DISCONNECTED: 0, ERROR: 0 },
    users: [{ userId: '123', connections: 1, connected: 1 }],
    active: 1,
    pending: 0,
    dropped: 0,
  });
  const database = new Database(file, { readonly: true });
  t.teardown(() => database.close());
  const row = (): unknown => database.prepare('SELECT * FROM websocket_connections').get();
  t.match(row(), { user_id: 123, ip_address: '203.0.113.9', status: 'CONNECTED', disconnected_at: null });

  await new Promise<void>((resolve) => {
    client.disconnect(resolve);
  });
  let ended: { body: unknown };
  do ended = await curl(`${url}/api/ws-stats/connections`);
  while ((ended.body as { active: number }).active > 0);
  t.match(ended.body, { byStatus: { CONNECTED: 0, DISCONNECTED: 1 }, active: 0 });
  t.match(row(), { status: 'DISCONNECTED', disconnected_at: /^\d{4}-/ });
});

const CONNECT = 'CONNECT\naccept-version:1.2\nhost:localhost\n';

interface Row {
  readonly status: string;
  readonly ip_address: string;
  readonly user_agent: string | null;
  readonly last_active_at: string;
  readonly connected_at: string;
}

/** The rows, once they are as wanted: they are written a moment after what they tell of. */
async function rowsWhen(t: Test, file: string, isDone: (rows: readonly Row[]) => boolean): Promise<readonly Row[]> {
  const database = new Database(file, { readonly: true });
  t.teardown(() => database.close());
  const select = database.prepare<[], Row>('SELECT * FROM websocket_connections ORDER BY id');
  let rows: readonly Row[] = [];
  await until('the rows', () => isDone((rows = select.all())));
  return rows;
}

t.test('A1, A2: the table, its columns and its indexes', async (t) => {
  const { file } = await start(t);
  const database = new Database(file, { readonly: true });
  t.teardown(() => database.close());
  const columns = database.pragma('table_info(websocket_connections)') as { name: string; notnull: number }[];
  t.strictSame(
    columns.map(({ name, notnull }) => `${name}${notnull === 1 ? '' : '?'}`),
    [
      'id?',
      'connection_id',
      'user_id?',
      'session_id',
      'connected_at',
      'disconnected_at?',
      'last_active_at',
      'user_agent?',
      'ip_address?',
      'status',
    ],
  );
  const indexes = database.pragma('index_list(websocket_connections)') as { name: string; unique: number }[];
  t.strictSame(indexes.map(({ name, unique }) => `${name} ${unique}`).sort(), [
    'idx_ws_connections_connection_id 1',
    'idx_ws_connections_status 0',
    'idx_ws_connections_user_id 0',
  ]);
});

t.test('A5: the address that a proxy has seen counts where the proxy is trusted', async (t) => {
  for (const [trustProxy, address] of [
    [true, '203.0.113.9'],
    [false, '127.0.0.1'],
  ] as const) {
    const { url, file } = await start(t, { trustProxy });
    const headers = { 'X-Forwarded-For': '203.0.113.9, 10.0.0.1', 'User-Agent': 'Browser/1' };
    const client = await WebSocketClient.open(`${url}/ws`, { headers });
    client.send(`${CONNECT}X-User-ID:5\n\n\0`);
    await client.next();
    const [row] = await rowsWhen(t, file, (rows) => rows.length === 1);
    t.match(row, { ip_address: address, user_agent: 'Browser/1' });
    client.close();
  }
});

t.test(
  'A6, A7: SUBSCRIBE renews the activity; a socket that drops is DISCONNECTED, one that is reset ERROR',
  async (t) => {
    const { url, file } = await start(t);
    const [dropped, reset] = [await WebSocketClient.open(`${url}/ws`), await WebSocketClient.open(`${url}/ws`)];
    for (const client of [dropped, reset]) {
      client.send(`${CONNECT}\n\0`);
      await client.next();
    }
    const [before] = await rowsWhen(t, file, (rows) => rows.length === 2);
    dropped.send('SUBSCRIBE\nid:0\ndestination:/topic/auctions/updates\n\n\0');
    await rowsWhen(t, file, ([row]) => row !== undefined && row.last_active_at > (before?.last_active_at ?? ''));
    dropped.ws.terminate();
    (reset.ws as unknown as { _socket: Socket })._socket.resetAndDestroy();
    const rows = await rowsWhen(t, file, (all) => all.every(({ status }) => status !== 'CONNECTED'));
    t.strictSame(
      rows.map(({ status }) => status),
      ['DISCONNECTED', 'ERROR'],
    );
  },
);

t.test('A10: what is still CONNECTED after an hour without activity, and not really open, is ended', async (t) => {
  const { url, file } = await start(t);
  const client = await connectLegacy(t, `${url}/ws`, { 'X-User-ID': '123' });
  await rowsWhen(t, file, (rows) => rows.length === 1);
  const writing = new Database(file);
  const insert = writing.prepare(
    'INSERT INTO websocket_connections (connection_id, session_id, last_active_at) VALUES (?, ?, ?)',
  );
  const ago = (minutes: number): string => new Date(Date.now() - minutes * MINUTE_MS).toISOString();
  insert.run('old', 'old', ago(61));
  insert.run('young', 'young', ago(59));
  writing.close();
  await new Promise<void>((resolve) => {
    client.disconnect(resolve);
  });
  // It looks at the start, and every hour.
  const again = await createAuctionApp({
    house: new AuctionHouse(),
    logLevel: 'silent',
    connectionFile: file,
    connectionFlushMs: 20,
  });
  await listen(t, again);
  const rows = await rowsWhen(t, file, (all) => all.filter(({ status }) => status === 'CONNECTED').length === 1);
  t.strictSame(
    rows.map(({ status }) => status),
    ['DISCONNECTED', 'DISCONNECTED', 'CONNECTED'],
  );
  t.match(resolveServerOptions({ connectionLog: true }).connectionLog, {
    cleanUpIntervalMs: 60 * MINUTE_MS,
    staleAfterMs: 60 * MINUTE_MS,
  });
});

t.test('A12: the load test says what it has found', async (t) => {
  const script = path.resolve(import.meta.dirname, '../../examples/auction/load.js');
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--connections=20', '--bids=3']);
  t.match(stdout, /^20 connections in [\d.]+ s, 60 deliveries of 3 bids\nlatency of delivery: median [\d.]+ ms/);
  t.match(stdout, /MiB/);
});

t.test('A13: round trip and jitter, worst first, until the session ends', async (t) => {
  const quality = new ConnectionQuality();
  t.strictSame(quality.summary(), { sessions: 0, medianRoundTripMs: null, worst: [] });
  const test = await createTestBroker({
    handlers: (broker) => {
      registerQuality(broker, quality);
    },
  });
  const [ann, bob] = [await test.connect(), await test.connect()];
  for (const [client, trips] of [
    [ann, [10, 26]],
    [bob, [5]],
  ] as const) {
    const pongs = await client.subscribe('/user/queue/pong');
    for (const roundTripMs of [undefined, ...trips]) {
      await client.send('/app/connection/ping', { roundTripMs });
      t.strictSame((await client.nextMessage(pongs)).payload, { type: 'PONG' });
    }
  }
  t.match(quality.summary(), {
    sessions: 2,
    medianRoundTripMs: 5,
    worst: [
      { pings: 2, roundTripMs: 26, jitterMs: 1 },
      { pings: 1, roundTripMs: 5, jitterMs: 0 },
    ],
  });
  await ann.disconnect();
  t.equal(quality.summary().sessions, 1);
});

t.test('A13: bidders on two nodes over Redis see one board; metrics for Prometheus', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { url: redis } = await RedisProcess.start(t);
  const house = fill(new AuctionHouse());
  const port = await pickFreePort('127.0.0.1');
  const token = 'the-token-of-an-auctioneer';
  const relay = { type: 'redis', url: redis } as const;
  const [one, two] = [
    await start(t, { house, relay, admin: { port, tokens: [{ name: 'admin', role: 'viewer', token }] } }),
    await start(t, { house, relay }),
  ];
  const [ann, bob] = [await connectLegacy(t, `${one.url}/ws`), await connectLegacy(t, `${two.url}/ws`)];
  const updates = subscribeLegacy(bob, '/topic/auctions/updates');
  bob.send('/app/auctions/subscribe');
  await updates.next('the list');
  ann.send('/app/auctions/1/bid', {}, JSON.stringify({ amount: 150 }));
  t.match(await updates.next('the bid of the other node'), { data: [{ id: 1, currentPrice: 150 }] });
  const { body } = await curl('--header', `Authorization: Bearer ${token}`, `http://127.0.0.1:${port}/metrics`);
  t.match(body, /^hoofbeat_/m);
});

t.test('A4: any origin may connect, as configured', async (t) => {
  const { url } = await start(t);
  const info = await curl('--header', 'Origin: https://shop.example', `${url}/ws/info`);
  t.match(info, { status: 200, body: { websocket: true } });
});

t.test('A5: wscat on the bare path; who gives no number is nobody', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const { url } = await start(t);
  const typist = await Typist.open(t, `${url.replace('http', 'ws')}/ws`);
  typist.types('CONNECT', 'accept-version:1.2', 'X-User-ID:none', '', '^@');
  await typist.reads(/CONNECTED\n/);
  t.match((await curl(`${url}/api/ws-stats/connections`)).body, { active: 1, users: [] });
});

t.test('A3: the document is OpenAPI 3.0.3 and served', async (t) => {
  const { url } = await start(t);
  const { body } = await curl(`${url}/openapi.json`);
  t.strictSame(body, JSON.parse(JSON.stringify(API_DOCUMENT)));
  const result = await new Validator().validate(body as Record<string, unknown>);
  t.ok(result.valid, JSON.stringify(result));
  t.match(body, { openapi: '3.0.3', info: { title: 'Auction WebSocket API', version: '1.0.0' } });
});

t.test('A13, A14: the board in a browser: two bidders see each other’s bids', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const { url, house } = await start(t);
  const browser = await Browser.start(t);
  const [ann, bob] = [await browser.open(url), await browser.open(url)];
  const lot = ann.page.locator('.lot', { hasText: 'Clock' });
  await lot.getByRole('button', { name: 'Bid' }).waitFor({ timeout: DEADLINE_MS });
  await lot.getByLabel('Bid for Clock').fill('250');
  await lot.getByRole('button', { name: 'Bid' }).click();
  await bob.page.locator('.lot', { hasText: '€250.00' }).waitFor({ timeout: DEADLINE_MS });
  t.equal(house.active()[0]?.currentPrice, 250);
  const { fitsPhone } = await picture(ann.page, 'auction');
  t.ok(fitsPhone);
  t.strictSame([...ann.complaints, ...bob.complaints], []);
});
