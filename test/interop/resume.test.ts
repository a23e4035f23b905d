/** @stomp/stompjs that is cut, reconnects by itself and resumes, as the README shows it. */
import type { Client, IFrame, IMessage } from '@stomp/stompjs';
import t, { type Test } from 'tap';
import { Inbox } from '../helpers/inbox.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { overWebSocket, StompjsClient } from '../helpers/stompjs-client.js';

const TOPIC = '/topic/prices';

interface Position {
  readonly epoch: string;
  readonly offset: string;
}

/** The snippet of the README, with what it hears kept for the test. */
class ResumingClient {
  readonly stomp: Client;
  readonly receipts = new Inbox<IFrame>();
  readonly messages = new Inbox<IMessage>();
  position: Position | null = null;

  constructor(t: Test, httpPort: number) {
    const { client } = StompjsClient.openFor(t, { ...overWebSocket(httpPort), reconnectDelay: 5 });
    this.stomp = client;
    client.onConnect = () => {
      this.#subscribe();
    };
  }

  #subscribe(): void {
    const { position } = this;
    const resume: Record<string, string> =
      position === null ? {} : { 'resume-epoch': position.epoch, 'resume-offset': position.offset };
    this.stomp.watchForReceipt('prices', (receipt) => {
      if (receipt.headers['recovered'] !== 'true') this.position = positionOf(receipt);
      this.receipts.push(receipt);
    });
    this.stomp.subscribe(
      TOPIC,
      (message) => {
        this.position = positionOf(message);
        this.messages.push(message);
      },
      { ...resume, receipt: 'prices' },
    );
  }
}

function positionOf({ headers }: IFrame): Position {
  return { epoch: headers['epoch'] ?? '', offset: headers['offset'] ?? '' };
}

function start(port = 0): Promise<TestServer> {
  return startTestServer({ http: { port }, tcp: false, broker: { history: [{ pattern: '/topic/**' }] } });
}

t.test('stompjs goes on where it was cut, with nothing missed and nothing twice', async (t) => {
  const server = await start();
  t.teardown(() => server.stop());
  const sender = await StompjsClient.connect(t, overWebSocket(server.httpPort));
  const reader = new ResumingClient(t, server.httpPort);
  await reader.receipts.next('the first RECEIPT');
  const bodies: string[] = [];
  for (let round = 0; round < 5; round++) {
    for (let k = 0; k < 20; k++) sender.client.publish({ destination: TOPIC, body: `${round}.${k}` });
    // In the midst of it: some have arrived, some are on their way, some are not published yet.
    bodies.push((await reader.messages.next('a message')).body);
    reader.stomp.forceDisconnect();
    for (let k = 20; k < 40; k++) sender.client.publish({ destination: TOPIC, body: `${round}.${k}` });
    const { headers } = await reader.receipts.next('the RECEIPT of the new SUBSCRIBE');
    t.equal(headers['recovered'], 'true');
    while (bodies.length < 40 * (round + 1)) bodies.push((await reader.messages.next('the next message')).body);
  }
  await sender.fence();
  t.equal(reader.messages.length, 0);
  t.strictSame(
    bodies,
    Array.from({ length: 200 }, (_, k) => `${Math.floor(k / 40)}.${k % 40}`),
  );
});

t.test('stompjs is told when the server has begun anew', async (t) => {
  const first = await start();
  const sender = await StompjsClient.connect(t, overWebSocket(first.httpPort));
  const reader = new ResumingClient(t, first.httpPort);
  await reader.receipts.next('the first RECEIPT');
  sender.client.publish({ destination: TOPIC, body: 'before' });
  t.equal((await reader.messages.next('a message')).body, 'before');
  const before = reader.position;
  await first.stop();

  const second = await start(first.httpPort);
  t.teardown(() => second.stop());
  const { headers } = await reader.receipts.next('the RECEIPT of the new SUBSCRIBE');
  t.match(headers, { recovered: 'false', offset: '0' });
  t.not(headers['epoch'], before?.epoch);
  const other = await StompjsClient.connect(t, overWebSocket(second.httpPort));
  other.client.publish({ destination: TOPIC, body: 'behind' });
  const message = await reader.messages.next('a message of the new epoch');
  t.equal(message.body, 'behind');
  t.match(message.headers, { recovered: 'false', epoch: headers['epoch'], offset: '1' });
});
