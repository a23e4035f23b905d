/** The client of one durable subscription, which acknowledges most of what it gets. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Line, LineSpec } from './line.js';
import { DURABLE_USERS, LASTING_TOPIC, PASSCODE } from './soaked-options.js';
import { countLine, leave, openCounted, untilOver, type World } from './world.js';

const MOST_LIFE_MS = 9_000;

export class DurableReader {
  readonly name: string;

  constructor(number: number) {
    this.name = DURABLE_USERS[number] ?? 'd0';
  }

  async act(world: World): Promise<void> {
    const { random } = world;
    while (world.isBusy()) {
      const line = await this.connect(world, {}, () => random.chance(0.85));
      await Promise.race([line.ended, untilOver(world, random.between(300, MOST_LIFE_MS))]);
      if (random.chance(0.5)) await leave(line);
      else line.drop();
      countLine(world, line);
      if (world.isBusy()) await wait(random.between(0, 1_500));
    }
  }

  /** @param acknowledges whether it does, asked for each message */
  async connect(world: World, spec: Partial<LineSpec>, acknowledges: () => boolean): Promise<Line> {
    const { ledger } = world;
    const line = await openCounted(world, 'tcp-1.2', {
      login: this.name,
      passcode: PASSCODE,
      clientId: this.name,
      ...spec,
    });
    const subscription = line.subscribe(LASTING_TOPIC, {
      ack: 'client-individual',
      headers: { 'activemq.subscriptionName': 'lasting', 'prefetch-count': '20' },
      onReceipt: () => undefined,
      onMessage: (message) => {
        const count = Number(message.header('delivery-count') ?? 1);
        const parsed = ledger.deliveredTo(this.name, message.body, count);
        if (parsed === null || !acknowledges()) return;
        ledger.acking(this.name, parsed.number);
        line.settle('ACK', subscription, message, {}, () => {
          ledger.acked(this.name, parsed.number, count);
        });
      },
    });
    return line;
  }
}
