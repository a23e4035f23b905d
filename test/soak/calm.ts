/** Between two rounds: nobody new comes, what waits is fetched, and then the books can be closed. */
import { until } from '../helpers/until.js';
import type { DurableReader } from './durable-reader.js';
import type { Line } from './line.js';
import type { SoakedProcess } from './soaked-process.js';
import { ABSENT_USERS, DEAD_QUEUE, LASTING_TOPIC, PASSCODE, WORK_QUEUES } from './soaked-options.js';
import { DEADLINE_MS, type Witnesses } from './witnesses.js';
import { countLine, leave, openCounted, type World } from './world.js';

export interface CalmParts {
  readonly world: World;
  readonly soaked: SoakedProcess;
  readonly witnesses: Witnesses;
  readonly durables: readonly DurableReader[];
  /** The straight way. */
  readonly direct: { readonly tcpPort: number; readonly httpPort: number };
}

/** Only the witnesses are there. @throws Error when others stay */
export async function untilAlone({ soaked, witnesses }: CalmParts): Promise<void> {
  const wanted = witnesses.lines.length;
  let there = 0;
  try {
    await until('sessions to end', async () => (there = (await soaked.ask('counts')).sessions) === wanted, DEADLINE_MS);
  } catch {
    throw new Error(`${there} sessions are there, ${wanted} of them witnesses'`);
  }
}

/** Fetches everything that waits, with an ACK and its RECEIPT for each. */
export async function fetchAll(parts: CalmParts): Promise<void> {
  const { world, soaked, witnesses, durables, direct } = parts;
  const worker = await openCounted(world, 'tcp-1.2', { ...direct, beatMs: 0 });
  for (const queue of WORK_QUEUES) fetchWork(parts, worker, queue);
  await until('queues to be empty', async () => areEmpty((await soaked.ask('counts')).queues, DEAD_QUEUE), DEADLINE_MS);
  fetchLetters(parts, worker);
  const readers: Line[] = [worker];
  const lastOnes: (() => boolean)[] = [];
  for (const durable of durables) {
    readers.push(await durable.connect(world, { ...direct, beatMs: 0 }, () => true));
    const number = witnesses.send('lasting', LASTING_TOPIC, `fence.${durable.name}`);
    for (const { name } of durables) lastOnes.push(() => world.ledger.isSettled(name, number));
  }
  for (const user of ABSENT_USERS) {
    readers.push(await fetchMail(parts, user));
    for (const box of [0, 1]) {
      const number = witnesses.send('mail', `/user/${user}/queue/mail/${box}`, `fence.${user}`);
      lastOnes.push(() => world.ledger.isSeen(number));
    }
  }
  await until(
    'what waits for durable subscriptions and absent users',
    () => lastOnes.every((holds) => holds()),
    DEADLINE_MS,
  );
  await until('dead letters to be fetched', async () => areEmpty((await soaked.ask('counts')).queues), DEADLINE_MS);
  for (const line of readers) {
    await leave(line);
    countLine(world, line);
  }
}

function areEmpty(queues: readonly { destination: string; depth: number; unsettled: number }[], but = ''): boolean {
  return queues.every(({ destination, depth, unsettled }) => destination === but || depth + unsettled === 0);
}

function fetchWork({ world: { ledger } }: CalmParts, line: Line, queue: string): void {
  const subscription = line.subscribe(queue, {
    ack: 'client-individual',
    onMessage: (message) => {
      const count = Number(message.header('delivery-count') ?? 1);
      const parsed = ledger.deliveredTo('workers', message.body, count);
      if (parsed === null) return;
      ledger.acking('workers', parsed.number);
      line.settle('ACK', subscription, message, {}, () => {
        ledger.acked('workers', parsed.number, count);
      });
    },
  });
}

function fetchLetters({ world: { ledger } }: CalmParts, line: Line): void {
  const subscription = line.subscribe(DEAD_QUEUE, {
    ack: 'client-individual',
    onMessage: (message) => {
      ledger.lettered(message.body, message.header('message-id') ?? '');
      line.settle('ACK', subscription, message, {}, () => undefined);
    },
  });
}

async function fetchMail({ world, direct }: CalmParts, user: string): Promise<Line> {
  const line = await openCounted(world, 'tcp-1.2', { ...direct, login: user, passcode: PASSCODE, beatMs: 0 });
  line.subscribe('/user/queue/mail/*', {
    ack: 'auto',
    onReceipt: () => undefined,
    onMessage: ({ body }) => {
      world.ledger.seenOnce(body);
    },
  });
  return line;
}
