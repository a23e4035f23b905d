/** Habits about queues: producers, consumers, transactions. */
import type { Unit } from './ledger.js';
import type { Received } from './line.js';
import { type Habit, type HabitParts, TEXT } from './habit.js';
import { WORK_QUEUES } from './soaked-options.js';

/** Without RECEIPT at a time. */
const MOST_UNDER_WAY = 12;

/** Work, each message with its RECEIPT. */
export function produce({ line, ledger, random, name }: HabitParts): Habit {
  let underWay = 0;
  return () => {
    if (underWay >= MOST_UNDER_WAY) return;
    const destination = random.pick(WORK_QUEUES);
    const { body, number } = ledger.write('work', name);
    underWay++;
    const headers: Record<string, string> = { ...TEXT, priority: String(random.between(3, 5)) };
    if (random.chance(0.3)) headers['persistent'] = 'true';
    if (random.chance(0.05)) headers['expiration'] = String(random.between(1, 800));
    if (random.chance(0.1) && !line.isGateway) headers['AMQ_SCHEDULED_DELAY'] = String(random.between(10, 500));
    const times = random.chance(0.1) ? 2 : 1;
    // The second one of a key is none.
    if (times === 2) headers['message-key'] = `${name}-${number}`;
    for (let time = 0; time < times; time++) {
      line.send(destination, headers, body, () => {
        if (time === 0) underWay--;
        ledger.receipted(number);
      });
    }
  };
}

/** Takes work, and settles most of it in one way or another. */
export function consume({ line, ledger, random, name }: HabitParts): Habit {
  const isCumulative = line.kind === 'tcp-1.0' || random.chance(0.3);
  const held: { readonly message: Received; readonly number: number; readonly count: number }[] = [];
  const subscription = line.subscribe(random.pick(WORK_QUEUES), {
    ack: isCumulative ? 'client' : 'client-individual',
    headers: { 'prefetch-count': String(random.between(1, 20)) },
    onMessage: (message) => {
      const count = Number(message.header('delivery-count') ?? 1);
      const parsed = ledger.deliveredTo('workers', message.body, count);
      if (parsed !== null) held.push({ message, number: parsed.number, count });
    },
  });
  let transactions = 0;
  const acknowledge = (): void => {
    const at = isCumulative ? held.length - 1 : 0;
    const covered = isCumulative ? held.splice(0) : held.splice(0, 1);
    const { message } = covered[at] ?? covered[0] ?? {};
    if (message === undefined) return;
    for (const { number } of covered) ledger.acking('workers', number);
    const onReceipt =
      random.chance(0.6) || line.isGateway
        ? (): void => {
            for (const { number, count } of covered) ledger.acked('workers', number, count);
          }
        : undefined;
    if (line.isGateway || !random.chance(0.1)) {
      line.settle('ACK', subscription, message, {}, onReceipt);
      return;
    }
    const transaction = `${name}-ack-${++transactions}`;
    line.transact('BEGIN', transaction);
    line.settle('ACK', subscription, message, { transaction });
    line.transact('COMMIT', transaction, onReceipt);
  };
  const refuse = (): void => {
    // Of 1.0, which has no NACK, and of cumulative ones nothing is refused: they are left behind instead.
    if (isCumulative) return;
    const [one] = held.splice(0, 1);
    if (one === undefined) return;
    line.settle('NACK', subscription, one.message, random.chance(0.2) && !line.isGateway ? { requeue: 'false' } : {});
  };
  return () => {
    for (let most = 8; most > 0 && held.length > 0; most--) {
      if (random.chance(0.06)) refuse();
      else if (random.chance(0.9)) acknowledge();
    }
  };
}

/** Transactions that are committed, aborted, or left open. */
export function transact({ line, ledger, random, name }: HabitParts): Habit {
  let count = 0;
  let open = 0;
  return () => {
    if (line.isGateway || open > 6) return;
    const transaction = `${name}-${++count}`;
    const unit: Unit = { numbers: [], state: 'open' };
    line.transact('BEGIN', transaction);
    for (let most = random.between(1, 4); most > 0; most--) {
      const isWork = random.chance(0.5);
      const { body } = ledger.write(isWork ? 'work' : 'unit', `${name}.unit`, unit);
      const headers = { ...TEXT, transaction, ...(random.chance(0.3) ? { persistent: 'true' } : {}) };
      line.send(isWork ? random.pick(WORK_QUEUES) : '/topic/units', headers, body);
    }
    const drawn = random.next();
    if (drawn < 0.05) {
      open++;
      return;
    }
    unit.state = drawn < 0.25 ? 'aborted' : 'committing';
    if (unit.state === 'aborted') line.transact('ABORT', transaction);
    else {
      line.transact('COMMIT', transaction, () => {
        unit.state = 'committed';
      });
    }
  };
}
