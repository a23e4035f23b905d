import t from 'tap';
import { decodeCursor, encodeCursor } from '../../../adapters/admin/paging/cursor.js';
import { compareRanks, type Listing, PageReader, type Rank } from '../../../adapters/admin/paging/page-reader.js';
import { SeededRandom } from '../../helpers/seeded-random.js';

interface Item {
  readonly number: number;
  readonly weight: number;
}

/** Each look at the clock takes `stepMs`. */
function clockOf(stepMs = 0) {
  let nowMs = 0;
  const turns = { count: 0 };
  return {
    turns,
    nowMs: () => (nowMs += stepMs),
    soon: (task: () => void) => {
      turns.count++;
      setImmediate(task);
    },
  };
}

const random = new SeededRandom('pages');
const ITEMS: readonly Item[] = Array.from({ length: 1_000 }, (_, k) => ({
  number: k + 1,
  weight: random.between(0, 49),
}));

function listing(over: Partial<Listing<Item>> = {}): Listing<Item> {
  return {
    items: () => ITEMS,
    rankOf: ({ weight, number }) => [weight, number],
    descending: false,
    isOrdered: false,
    ...over,
  };
}

async function readAll(reader: PageReader, what: Listing<Item>, limit: number): Promise<number[][]> {
  const pages: number[][] = [];
  let after: Rank | null = null;
  do {
    const page: Awaited<ReturnType<typeof reader.read<Item>>> = await reader.read(what, { limit, after });
    pages.push(page.items.map(({ number }) => number));
    after = page.next;
  } while (after !== null);
  return pages;
}

t.test('pages put together are all that is wanted, sorted, each once', async (t) => {
  const reader = new PageReader(clockOf());
  for (const descending of [false, true]) {
    const isWanted = ({ number }: Item): boolean => number % 3 !== 0;
    const what = listing({ descending, isWanted });
    const sorted = ITEMS.filter(isWanted).toSorted((a, b) => a.weight - b.weight || a.number - b.number);
    const expected = (descending ? sorted.toReversed() : sorted).map(({ number }) => number);
    for (const limit of [1, 7, 100, 666, 667, 1_000]) {
      const pages = await readAll(reader, what, limit);
      t.strictSame(pages.flat(), expected, `limit ${String(limit)}`);
      t.ok(pages.slice(0, -1).every(({ length }) => length === limit));
    }
  }
});

t.test('a full last page has nothing behind it', async (t) => {
  const { next } = await new PageReader(clockOf()).read(listing(), { limit: 1_000, after: null });
  t.equal(next, null);
});

t.test('a walk in the order of the items ends when the page is full', async (t) => {
  let looked = 0;
  function* counted(): Generator<Item> {
    for (const item of ITEMS) {
      looked++;
      yield item;
    }
  }
  const what = listing({ items: counted, rankOf: ({ number }) => [number], isOrdered: true });
  const reader = new PageReader(clockOf());
  const { items, next } = await reader.read(what, { limit: 10, after: [5] });
  t.strictSame(
    items.map(({ number }) => number),
    [6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  );
  t.strictSame(next, [15]);
  t.equal(looked, 16);
});

t.test('what is met twice is shown once', async (t) => {
  const what = listing({ items: () => [...ITEMS.slice(0, 5), ...ITEMS.slice(0, 5)] });
  const { items } = await new PageReader(clockOf()).read(what, { limit: 10, after: null });
  t.equal(items.length, 5);
});

t.test('a long walk lets others have their turns', async (t) => {
  const slow = clockOf(3);
  await new PageReader(slow).read(listing(), { limit: 10, after: null });
  t.equal(slow.turns.count, Math.floor(1_000 / 64));
  const quick = clockOf(0);
  await new PageReader(quick).read(listing(), { limit: 10, after: null });
  t.equal(quick.turns.count, 0);
});

t.test('walks go one after the other, and too many are refused', async (t) => {
  const reader = new PageReader(clockOf(3));
  let open = 0;
  let most = 0;
  function* walked(): Generator<Item> {
    most = Math.max(most, ++open);
    yield* ITEMS;
    open--;
  }
  const many = Array.from({ length: 65 }, () => reader.read(listing({ items: walked }), { limit: 1, after: null }));
  const results = await Promise.allSettled(many);
  t.equal(most, 1);
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 64);
  t.match(results.at(-1), { status: 'rejected', reason: { code: 'too-busy' } });
  t.match(await reader.read(listing(), { limit: 1, after: null }), { items: [{}] }, 'and taken again later');
});

t.test('every item is looked at once, in slices and in its turn', async (t) => {
  const clock = clockOf(1);
  const reader = new PageReader(clock);
  const looked: number[] = [];
  const page = reader.read(listing(), { limit: 1, after: null });
  const walk = reader.each(
    () => ITEMS,
    ({ number }) => looked.push(number),
  );
  await page;
  t.strictSame(looked, [], 'the page was asked for first');
  await walk;
  t.strictSame(
    looked,
    ITEMS.map(({ number }) => number),
  );
  t.ok(clock.turns.count > 2);
});

t.test('a walk that fails stops no other', async (t) => {
  const reader = new PageReader(clockOf());
  const broken = listing({
    items: () => {
      throw new Error('gone');
    },
  });
  await t.rejects(reader.read(broken, { limit: 1, after: null }), { message: 'gone' });
  t.equal((await reader.read(listing(), { limit: 2, after: null })).items.length, 2);
});

t.test('ranks are compared part by part', async (t) => {
  t.ok(compareRanks([1, 'b'], [1, 'a']) > 0);
  t.ok(compareRanks([1, 'b'], [2, 'a']) < 0);
  t.equal(compareRanks(['x', 1], ['x', 1]), 0);
  t.ok(compareRanks(['x', 1], ['x']) > 0);
});

t.test('a cursor comes back as the rank it was made of, for its own order alone', async (t) => {
  const cursor = encodeCursor('-depth', [3, '/queue/ü']);
  t.match(cursor, /^[\w-]+$/);
  t.strictSame(decodeCursor('-depth', [0, ''], cursor), [3, '/queue/ü']);
  const refused: readonly (readonly [string, Rank, string])[] = [
    ['depth', [0, ''], cursor],
    ['-depth', ['', ''], cursor],
    ['-depth', [0], cursor],
    ['-depth', [0, ''], 'x'],
    ['-depth', [0, ''], Buffer.from('{}').toString('base64url')],
  ];
  for (const [order, shape, text] of refused) {
    t.throws(() => decodeCursor(order, shape, text), { code: 'cursor-invalid' });
  }
});
