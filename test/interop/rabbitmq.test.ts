/** A real RabbitMQ behind the relay: acks, receipts, transactions, users, rights, and a restart during traffic. */
import t, { type Test } from 'tap';
import type { BrokerOptions, Partially, RelayOptions, StompServerPorts } from '../../adapters/index.js';
import type { ConnectRequest, Principal } from '../../broker/ports.js';
import { inTime, Inbox } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { RabbitMqNode } from '../helpers/rabbitmq.js';
import { RawClient } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { overSockJs, StompjsClient } from '../helpers/stompjs-client.js';

/** RabbitMQ takes this long to come up on a busy machine. */
const STARTUP_MS = 60_000;
const GONE = /Broker not available|Connection to broker closed|Transport failure/;

if (requireProgram(t, 'rabbitmq-server')) {
  const rabbit = await RabbitMqNode.start([{ name: 'reader', password: 'secret', read: '^(?!private).*$' }]);
  t.teardown(() => rabbit.remove());

  /** A server in front of it, once the relay is there. */
  const startServer = async (
    t: Test,
    relay: Partial<RelayOptions> = {},
    broker: Partially<BrokerOptions> = {},
    ports: StompServerPorts = {},
  ): Promise<TestServer> => {
    const server = await startTestServer(
      {
        broker,
        relay: { type: 'stomp', port: rabbit.port, reconnect: { initialDelayMs: 100, maxDelayMs: 500 }, ...relay },
      },
      ports,
    );
    t.teardown(() => server.stop());
    await available(server, true);
    return server;
  };

  t.test('stompjs over SockJS acknowledges, hands back and gets receipts of RabbitMQ', async (t) => {
    const { httpPort } = await startServer(t);
    const worker = await StompjsClient.connect(t, overSockJs(httpPort));
    const sender = await StompjsClient.connect(t, overSockJs(httpPort, 'xhr-streaming'));
    const work = await worker.subscribe('/queue/work', { ack: 'client-individual', 'prefetch-count': '1' });
    for (const body of ['one', 'two']) {
      await sender.receipt('SEND', (receipt) =>
        sender.client.publish({
          destination: '/queue/work',
          body,
          headers: { receipt, kind: 'job', persistent: 'true' },
        }),
      );
    }
    const first = await work.next('the first job');
    t.equal(first.body, 'one');
    t.equal(first.headers['kind'], 'job');
    t.equal(first.headers['destination'], '/queue/work');
    first.nack();
    const again = await work.next('the job that was handed back');
    t.equal(again.body, 'one');
    t.equal(again.headers['redelivered'], 'true');
    t.equal(work.length, 0, 'the window is one');
    await worker.receipt('ACK', (receipt) => again.ack({ receipt }));
    t.equal((await work.next('the second job')).body, 'two');
    // It leaves without an ACK: RabbitMQ gives the job to the next.
    await worker.client.deactivate({ force: true });
    const other = await StompjsClient.connect(t, overSockJs(httpPort));
    const rest = await other.subscribe('/queue/work', { ack: 'client' });
    const left = await rest.next('the job that was left behind');
    t.equal(left.body, 'two');
    t.equal(left.headers['redelivered'], 'true');
    await other.receipt('ACK', (receipt) => left.ack({ receipt }));
  });

  t.test("a transaction is RabbitMQ's: nothing before COMMIT, nothing after ABORT", async (t) => {
    const { httpPort } = await startServer(t);
    const client = await StompjsClient.connect(t, overSockJs(httpPort));
    const inbox = await client.subscribe('/queue/in', { ack: 'client-individual' });
    const outbox = await client.subscribe('/queue/out');
    client.client.publish({ destination: '/queue/in', body: 'job' });
    const job = await inbox.next('the job');
    const aborted = client.client.begin('aborted');
    job.ack({ transaction: aborted.id });
    client.client.publish({ destination: '/queue/out', body: 'never', headers: { transaction: aborted.id } });
    aborted.abort();
    const kept = client.client.begin('kept');
    job.ack({ transaction: kept.id });
    client.client.publish({ destination: '/queue/out', body: 'done', headers: { transaction: kept.id } });
    await client.fence();
    t.equal(outbox.length, 0);
    kept.commit();
    t.equal((await outbox.next('what the transaction sent')).body, 'done');
    await client.deactivate();
    const later = await StompjsClient.connect(t, overSockJs(httpPort));
    const left = await later.subscribe('/queue/in', { ack: 'client-individual' });
    await later.fence();
    t.equal(left.length, 0, 'the job was acknowledged');
  });

  t.test("clients of one topic share a subscription, and a pattern of RabbitMQ's is understood", async (t) => {
    const { httpPort, server } = await startServer(t);
    const clients = [
      await StompjsClient.connect(t, overSockJs(httpPort)),
      await StompjsClient.connect(t, overSockJs(httpPort)),
    ];
    const inboxes = await Promise.all(clients.map((client) => client.subscribe('/topic/prices.#')));
    await server.broker.convertAndSend('/topic/prices.eur', { bid: 1 }, { persistent: true });
    for (const inbox of inboxes) {
      const message = await inbox.next('the price');
      t.equal(message.headers['destination'], '/topic/prices.eur');
      t.strictSame(JSON.parse(message.body), { bid: 1 });
    }
  });

  t.test('users have queues of their own at RabbitMQ, on whatever node they are', async (t) => {
    const users = { authenticate: ({ login }: ConnectRequest): Principal => ({ name: login ?? null, roles: [] }) };
    const headers = { userQueueHeaders: { 'x-expires': '60000' }, userDestinationBroadcast: '/topic/unresolved-users' };
    const [here, there] = [await startServer(t, headers, {}, users), await startServer(t, headers)];
    here.server.broker.message('/whoami', ({ user }) => user.name, { sendToUser: '/queue/whoami' });
    const login = { connectHeaders: { login: 'ann', passcode: '' } };
    const ann = await StompjsClient.connect(t, { ...overSockJs(here.httpPort), ...login });
    const mine = await ann.subscribe('/user/queue/whoami');
    ann.client.publish({ destination: '/app/whoami' });
    const reply = await mine.next('the reply');
    t.equal(reply.headers['destination'], '/user/queue/whoami');
    t.equal(reply.headers['simpOrigDestination'], undefined);
    const other = await StompjsClient.connect(t, overSockJs(there.httpPort));
    const session = here.server.broker.users.get('ann')?.sessions[0]?.id ?? '';
    other.client.publish({ destination: `/queue/whoami-user${session}`, body: 'forged' });
    t.match((await other.errors.next('the refusal')).headers, { code: 'access-denied' });
    t.equal(mine.length, 0);
    await there.server.broker.convertAndSendToUser('ann', '/queue/whoami', 'from over there');
    const passed = await mine.next('what the other node sent');
    t.equal(passed.body, 'from over there');
    t.equal(passed.headers['destination'], '/user/queue/whoami');
  });

  t.test('per client, a RabbitMQ user who may not read a queue gets ERROR, and others do not notice', async (t) => {
    const { httpPort } = await startServer(t, { connections: 'per-client' });
    const connect = (login: string, passcode: string): Promise<StompjsClient> =>
      StompjsClient.connect(t, { ...overSockJs(httpPort), connectHeaders: { login, passcode } });
    await t.rejects(connect('reader', 'wrong'), { message: /Failed to connect.*Access refused/ });
    const [guest, reader] = [await connect('guest', 'guest'), await connect('reader', 'secret')];
    const secrets = await guest.subscribe('/queue/private.plans');
    const open = await reader.subscribe('/queue/open.plans');
    reader.client.publish({ destination: '/queue/open.plans', body: 'may be read' });
    t.equal((await open.next('what may be read')).body, 'may be read');
    reader.client.subscribe('/queue/private.plans', () => undefined);
    const error = await reader.errors.next('the refusal');
    t.equal(error.headers['message'], 'access_refused');
    t.equal(error.headers['code'], 'relay-refused');
    t.match(error.body, /ACCESS_REFUSED - .*private\.plans/);
    guest.client.publish({ destination: '/queue/private.plans', body: 'still here' });
    t.equal((await secrets.next('what guest may read')).body, 'still here');
  });

  t.test('an ERROR on shared connections hits its cause alone', async (t) => {
    const { httpPort, server } = await startServer(t, { sharedConnections: 1 });
    const bystander = await StompjsClient.connect(t, overSockJs(httpPort));
    const news = await bystander.subscribe('/topic/news');
    const guilty = await StompjsClient.connect(t, overSockJs(httpPort));
    guilty.client.publish({ destination: '/topic/', body: 'no name' });
    t.match((await guilty.errors.next('ERROR of SEND')).headers, {
      code: 'relay-refused',
      message: 'Invalid destination',
    });
    const second = await StompjsClient.connect(t, overSockJs(httpPort));
    second.client.subscribe('/topic/', () => undefined);
    t.match((await second.errors.next('ERROR of SUBSCRIBE')).headers, { code: 'relay-refused' });
    // Until the shared subscriptions are there again what is published is lost; then everything arrives.
    const later = await StompjsClient.connect(t, overSockJs(httpPort));
    await later.subscribe('/topic/other');
    await bystander.receipt('SEND', (receipt) =>
      bystander.client.publish({ destination: '/topic/news', body: 'all well', headers: { receipt } }),
    );
    t.equal((await news.next('the news')).body, 'all well');
    t.ok(server.broker.health().isOk);
  });

  t.test('a slow client holds nobody up, and loses nothing of a queue', async (t) => {
    const outbox = { highWaterBytes: 256 * 1024, softLimitBytes: 1024 * 1024, hardLimitBytes: 2 * 1024 * 1024 };
    const { tcpPort } = await startServer(t, { sharedConnections: 1 }, { outbox });
    const slow = await RawClient.openFor(t, tcpPort);
    await slow.connect();
    await slow.subscribe('/queue/slow');
    slow.socket.pause();
    const quick = await RawClient.openFor(t, tcpPort);
    await quick.connect();
    await quick.subscribe('/topic/quick');
    const body = 'x'.repeat(64 * 1024);
    const bulk = 400;
    for (let k = 0; k < bulk; k++) quick.sendFrame('SEND', { destination: '/queue/slow' }, body);
    for (let k = 0; k < 20; k++) {
      quick.sendFrame('SEND', { destination: '/topic/quick' }, String(k));
      t.equal((await quick.frame('MESSAGE')).text, String(k));
    }
    slow.socket.resume();
    for (const message of await slow.messages(bulk)) {
      if (message.body.length !== body.length) t.fail('a message is not whole');
    }
  });

  t.test('RabbitMQ is restarted during traffic: who listens stays, who sends is told', async (t) => {
    const { httpPort, server } = await startServer(t);
    const events: boolean[] = [];
    server.broker.events.on('availability', ({ available }) => events.push(available));
    const listener = await StompjsClient.connect(t, overSockJs(httpPort));
    const news = await listener.subscribe('/topic/news');
    const sender = await StompjsClient.connect(t, overSockJs(httpPort));
    const tick = setInterval(() => {
      if (sender.client.connected)
        sender.client.publish({ destination: '/topic/news', body: 'tick', headers: { receipt: 'r' } });
    }, 5);
    t.teardown(() => clearInterval(tick));
    await news.next('the first tick');
    await rabbit.stop();
    const error = await sender.errors.next('ERROR for the sender');
    clearInterval(tick);
    t.match(error.headers['message'], GONE);
    await available({ server }, false);
    const late = await StompjsClient.connect(t, overSockJs(httpPort));
    late.client.subscribe('/topic/news', () => undefined);
    t.match((await late.errors.next('ERROR while it is down')).headers, { message: 'Broker not available.' });
    await t.rejects(server.broker.convertAndSend('/topic/news', 'x'), { code: 'relay-unavailable' });
    await rabbit.restart();
    await available({ server }, true);
    const back = await StompjsClient.connect(t, overSockJs(httpPort));
    // Behind it on the same shared connections, so those of the listener are there as well.
    await Promise.all([1, 2, 3, 4].map((k) => back.subscribe(`/topic/fence.${k}`)));
    while (news.length > 0) await news.next();
    await back.receipt('SEND', (receipt) =>
      back.client.publish({ destination: '/topic/news', body: 'back', headers: { receipt } }),
    );
    t.equal((await news.next('news after the restart')).body, 'back');
    t.equal(listener.errors.length, 0);
    t.strictSame(events, [false, true]);
  });
}

/** Resolves when the relay is there, or gone. */
async function available({ server }: Pick<TestServer, 'server'>, isThere: boolean): Promise<void> {
  const { broker } = server;
  const changes = new Inbox<boolean>();
  const stop = broker.events.on('availability', ({ available }) => changes.push(available));
  if (broker.health().isOk !== isThere) {
    await inTime(
      (async () => {
        while ((await changes.next()) !== isThere);
      })(),
      'the relay',
      STARTUP_MS,
    );
  }
  stop();
}
