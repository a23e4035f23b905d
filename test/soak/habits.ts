/** The habits of those who come and go. */
import type { SeededRandom } from '../helpers/seeded-random.js';
import { type Habit, type HabitParts, TEXT } from './habit.js';
import { parseBody } from './ledger.js';
import type { Received } from './line.js';
import { ABSENT_USERS, BULK_TOPIC, KEPT_TOPICS, LASTING_TOPIC, ROOMS, STEADY_USERS } from './soaked-options.js';
import { consume, produce, transact } from './work-habits.js';

const COLOURS = ['red', 'green', 'blue'] as const;
/** Of a message that is large. */
const LARGE_BYTES = 20_000;

export const HABITS: Readonly<Record<string, (parts: HabitParts) => Habit>> = {
  talk,
  follow,
  produce,
  consume,
  transact,
  keepHistory,
  write,
  note,
  call,
  ask,
  watch,
  last,
};

function room(random: SeededRandom): string {
  return `/topic/rooms/${random.between(0, ROOMS - 1)}`;
}

/** Topics, mostly without receipt: the fast path. */
function talk({ line, ledger, random, name }: HabitParts): Habit {
  return () => {
    const destination = random.chance(0.1) ? '/topic/latest/prices' : room(random);
    const padding = random.chance(0.02) ? LARGE_BYTES : 0;
    const { body, number } = ledger.write('topic', `${name}.${destination.slice(-6)}`, null, padding);
    const headers = random.chance(0.5) ? TEXT : { ...TEXT, colour: random.pick(COLOURS), key: random.pick(COLOURS) };
    if (random.chance(0.2))
      line.send(destination, headers, body, () => {
        ledger.receipted(number);
      });
    else line.send(destination, headers, body);
  };
}

/** Rooms, by name, by pattern or by selector: what comes of one stream comes in its order, without a hole. */
function follow({ line, ledger, random, name }: HabitParts): Habit {
  const subscribed: string[] = [];
  const places = new Map<string, Map<string, number>>();
  const begin = (): void => {
    const [destination, selector] = random.pick<readonly [string, string | null]>([
      [room(random), null],
      [`/topic/rooms/${random.between(0, ROOMS - 1)}`, `colour = '${random.pick(COLOURS)}'`],
      ['/topic/rooms/*', null],
      ['/topic/{any}/prices', null],
      [BULK_TOPIC, null],
    ]);
    if (line.hasSubscribed(destination)) return;
    const own = new Map<string, number>();
    const id = line.subscribe(destination, {
      ack: 'auto',
      headers: selector === null ? {} : { selector },
      onMessage: (message) => {
        onTalk(message, destination, selector, own);
      },
      onReceipt: () => undefined,
    });
    places.set(id, own);
    subscribed.push(id);
  };
  const onTalk = (message: Received, destination: string, selector: string | null, own: Map<string, number>): void => {
    const parsed = parseBody(message.body);
    if (parsed === null || parsed.kind !== 'topic') return;
    ledger.delivered++;
    const colour = message.header('colour');
    if (selector !== null && !selector.endsWith(`'${colour ?? ''}'`)) {
      ledger.fault(`${name}: ${parsed.number} is ${colour ?? 'of no colour'} and was selected by ${selector}`);
    }
    // Where some are left out on purpose their order still holds; of two subscriptions to one place each has all.
    if (selector === null && !destination.endsWith('prices')) ledger.checkTurn(name, parsed, own, false);
  };
  begin();
  return () => {
    if (subscribed.length < 4 && random.chance(0.3)) begin();
    else if (subscribed.length > 1 && random.chance(0.1)) line.unsubscribe(subscribed.pop() ?? '');
  };
}

/** Messages that topics keep; who reads them is in historian.ts. */
function keepHistory({ line, ledger, random, name }: HabitParts): Habit {
  return () => {
    const destination = random.pick(KEPT_TOPICS);
    const { body, number } = ledger.write('kept', `${name}.${destination.slice(-6)}`);
    line.send(destination, TEXT, body, () => {
      ledger.receipted(number);
    });
  };
}

/** Mail for users who are not there. */
function write({ line, ledger, random, name }: HabitParts): Habit {
  return () => {
    const user = random.pick(ABSENT_USERS);
    const { body, number } = ledger.write('mail', `${name}.${user}`);
    const headers = random.chance(0.5) ? TEXT : { ...TEXT, persistent: 'true' };
    line.send(`/user/${user}/queue/mail/${random.between(0, 1)}`, headers, body, () => {
      ledger.receipted(number);
    });
  };
}

/** A word to a user, and what others say to this one. */
function note({ line, ledger, random, name, login }: HabitParts): Habit {
  const places = new Map<string, number>();
  line.subscribe('/user/queue/notes', {
    ack: 'auto',
    onMessage: ({ body }) => {
      const parsed = parseBody(body);
      ledger.delivered++;
      if (parsed !== null) ledger.checkTurn(name, parsed, places, false);
    },
  });
  return () => {
    const user = random.pick(STEADY_USERS);
    // What one says to oneself is for that session alone: no witness sees it.
    if (user === login) return;
    const { body, number } = ledger.write('note', `${name}.${user}`);
    line.send(
      `/user/${user}/queue/notes`,
      TEXT,
      body,
      random.chance(0.5)
        ? (): void => {
            ledger.receipted(number);
          }
        : undefined,
    );
  };
}

/** Handlers of the application: the answer comes to the session that asked, in order. */
function call({ line, ledger, random, name }: HabitParts): Habit {
  let sent = 0;
  let answered = 0;
  line.subscribe('/user/queue/echo', {
    ack: 'auto',
    onMessage: ({ body }) => {
      ledger.delivered++;
      if (body !== `${name} ${++answered}`) ledger.fault(`${name}: the answer to ${answered} is ${body}`);
    },
  });
  return () => {
    if (random.chance(0.3)) line.send('/app/count', TEXT, 'x');
    else line.send('/app/echo', TEXT, `${name} ${++sent}`);
  };
}

/** A request to whoever answers, with an address of the session's own. */
function ask({ line, ledger, random, name }: HabitParts): Habit {
  const asked = new Set<number>();
  if (line.isGateway || line.kind === 'tcp-1.0') return () => undefined;
  line.subscribe('/temp-queue/answers', {
    ack: 'auto',
    onMessage: ({ body, header }) => {
      ledger.delivered++;
      const number = Number(header('correlation-id'));
      if (!asked.delete(number)) ledger.fault(`${name}: got an answer to ${number}, which was not asked: ${body}`);
    },
  });
  return () => {
    if (random.chance(0.5)) return;
    const { body, number } = ledger.write('ask', name);
    asked.add(number);
    line.send('/queue/asked', { ...TEXT, 'reply-to': '/temp-queue/answers', 'correlation-id': String(number) }, body);
  };
}

/** Who is in a room. */
function watch({ line, random }: HabitParts): Habit {
  const own = room(random);
  if (!line.hasSubscribed(own)) line.subscribe(own, { ack: 'auto', onMessage: () => undefined });
  const watched = line.subscribe(`/topic/$presence${room(random).slice('/topic'.length)}`, {
    ack: 'auto',
    onMessage: () => undefined,
  });
  let steps = 0;
  return () => {
    if (++steps === 20) line.unsubscribe(watched);
  };
}

/** For durable subscriptions; who has them is in durable-reader.ts. */
function last({ line, ledger, random, name }: HabitParts): Habit {
  return () => {
    const { body, number } = ledger.write('lasting', name);
    const headers = random.chance(0.5) ? { ...TEXT, persistent: 'true' } : TEXT;
    line.send(LASTING_TOPIC, headers, body, () => {
      ledger.receipted(number);
    });
  };
}
