/** The auction example, row by row (A1 to A14), with the client it was written for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import { assertMatch, createTestBroker, expectNoMessage } from '../../adapters/testing/index.js';
import { API_DOCUMENT } from '../../examples/auction/api-document.js';
import { AuctionHouse, BidRefused } from '../../examples/auction/auction-house.js';
import { createAuctionApp, registerAuction, tellChange } from '../../examples/auction/server.js';
import { Browser } from '../helpers/chromium.js';
import { connectLegacy, curl, listen, picture, subscribeLegacy } from '../helpers/example.js';
import { DEADLINE_MS } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
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

async function start(t: Test): Promise<{ url: string; file: string; house: AuctionHouse }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hoofbeat-auction-'));
  const file = path.join(folder, 'connections.db');
  const house = fill(new AuctionHouse());
  const app = await createAuctionApp({ house, logLevel: 'silent', connectionFile: file });
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
