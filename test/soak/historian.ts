/** A reader of one history, whatever befalls its connections. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Line, LineKind } from './line.js';
import { KEPT_TOPICS } from './soaked-options.js';
import { countLine, leave, openCounted, untilOver, type World } from './world.js';

const MOST_LIFE_MS = 9_000;
/** Those whose RECEIPTs say what was recovered. */
const KINDS: readonly [LineKind, ...LineKind[]] = [
  'tcp-1.1',
  'tcp-1.2',
  'stompjs-websocket',
  'sockjs-xhr-streaming',
  'sockjs-xhr-polling',
];

/** Comes back again and again for one history, and misses nothing without being told. */
export class Historian {
  recovered = 0;
  unrecovered = 0;
  readonly #topic: string;
  readonly #name: string;
  #position: { epoch: string; offset: number } | null = null;

  constructor(number: number) {
    this.#topic = KEPT_TOPICS[number % KEPT_TOPICS.length] ?? KEPT_TOPICS[0];
    this.#name = `historian ${number}`;
  }

  async act(world: World): Promise<void> {
    const { random } = world;
    while (world.isBusy()) {
      const kind = random.pick(KINDS);
      const line = await openCounted(world, kind);
      if (line.isOpen()) {
        this.#subscribe(world, line);
        await Promise.race([line.ended, untilOver(world, random.between(300, MOST_LIFE_MS))]);
        if (random.chance(0.5)) await leave(line);
        else line.drop();
      }
      countLine(world, line);
      if (world.isBusy()) await wait(random.between(0, 1_000));
    }
  }

  #subscribe({ ledger }: World, line: Line): void {
    const from = this.#position;
    // Not before the RECEIPT: what comes of an older connection's end is nobody's any more.
    let isLive = false;
    line.subscribe(this.#topic, {
      ack: 'auto',
      headers: from === null ? {} : { 'resume-epoch': from.epoch, 'resume-offset': String(from.offset) },
      onReceipt: (header) => {
        isLive = true;
        const [epoch = '', offset] = [header('epoch'), Number(header('offset'))];
        if (from !== null && header('recovered') === 'true') {
          this.recovered++;
          if (epoch !== from.epoch) ledger.fault(`${this.#name}: recovered in epoch ${epoch} from ${from.epoch}`);
          return;
        }
        if (from !== null) this.unrecovered++;
        this.#position = { epoch, offset };
      },
      onMessage: ({ header }) => {
        if (!isLive || line.hasEnded) return;
        ledger.delivered++;
        const [epoch = '', offset] = [header('epoch'), Number(header('offset'))];
        const last = this.#position;
        const isHole = last === null || epoch !== last.epoch || offset !== last.offset + 1;
        if (isHole && header('recovered') !== 'false') {
          ledger.fault(
            `${this.#name}: ${epoch} ${offset} behind ${last?.epoch ?? ''} ${last?.offset ?? 'nothing'} (${line.kind})`,
          );
        }
        this.#position = { epoch, offset };
      },
    });
  }
}
