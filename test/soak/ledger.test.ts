/** Each way to break a promise is found in the books; what only looks like one is none. */
import t from 'tap';
import { type Kind, Ledger, type Unit } from './ledger.js';

/** Of a round in which `act` happens. */
function faultsOf(act: (ledger: Ledger) => void): readonly string[] {
  const ledger = new Ledger();
  act(ledger);
  ledger.close();
  return ledger.faults;
}

function sent(ledger: Ledger, kind: Kind = 'work', unit: Unit | null = null): { body: string; number: number } {
  return ledger.write(kind, 'a', unit);
}

t.test('work that comes again after its connection, and is acknowledged then, is as promised', async (t) => {
  const faults = faultsOf((ledger) => {
    const { body, number } = sent(ledger);
    ledger.receipted(number);
    // Late on its way: a second delivery may be seen before the first.
    ledger.deliveredTo('workers', body, 2);
    ledger.acked('workers', number, 2);
    ledger.deliveredTo('workers', body, 1);
    const letter = sent(ledger);
    ledger.lettered(letter.body, 'm-1');
    ledger.lettered(letter.body, 'm-1');
    sent(ledger);
  });
  t.strictSame(faults, []);
});

t.test('a message with a RECEIPT that nobody saw is lost', async (t) => {
  const [fault] = faultsOf((ledger) => {
    ledger.receipted(sent(ledger).number);
  });
  t.match(fault, /had its RECEIPT and was never seen/);
});

t.test('a delivery that is not said to be another one, or comes after its ACK, is a fault', async (t) => {
  const twice = faultsOf((ledger) => {
    const { body } = sent(ledger);
    ledger.deliveredTo('workers', body, 1);
    ledger.deliveredTo('workers', body, 1);
  });
  t.match(twice, [/came twice to workers as delivery 1/]);
  const after = faultsOf((ledger) => {
    const { body, number } = sent(ledger);
    ledger.deliveredTo('workers', body, 1);
    ledger.acked('workers', number, 1);
    ledger.deliveredTo('workers', body, 2);
  });
  t.match(after, [/as delivery 2, after the RECEIPT of its ACK at 1/]);
});

t.test('a message is dead once, and not both dead and acknowledged', async (t) => {
  const twice = faultsOf((ledger) => {
    const { body } = sent(ledger);
    ledger.lettered(body, 'm-1');
    ledger.lettered(body, 'm-2');
  });
  t.match(twice, [/dead twice/]);
  const both = faultsOf((ledger) => {
    const { body, number } = sent(ledger);
    ledger.deliveredTo('workers', body, 1);
    ledger.acked('workers', number, 1);
    ledger.lettered(body, 'm-1');
  });
  t.match(both, [/was acknowledged, with a RECEIPT, and is dead/]);
});

t.test('what is published is published once, in its turn, and by somebody', async (t) => {
  const faults = faultsOf((ledger) => {
    const places = new Map<string, number>();
    const bodies = [1, 2, 3].map(() => sent(ledger, 'topic').body);
    for (const at of [0, 2, 2]) {
      const parsed = ledger.seenOnce(bodies[at] ?? '');
      if (parsed !== null) ledger.checkTurn('a reader', parsed, places, true);
    }
    ledger.seenOnce('topic 99 a 1');
  });
  t.match(faults, [
    /is 3 of stream a behind 1/,
    /topic 3 was published twice/,
    /is 3 of stream a behind 3/,
    /nobody sent/,
  ]);
});

t.test('of a transaction all is seen, or nothing', async (t) => {
  const seen = (state: Unit['state'], count: number): readonly string[] =>
    faultsOf((ledger) => {
      const unit: Unit = { numbers: [], state };
      const bodies = [1, 2].map(() => sent(ledger, 'unit', unit).body);
      for (const body of bodies.slice(0, count)) ledger.seenOnce(body);
    });
  for (const count of [0, 2]) t.strictSame(seen('committing', count), []);
  t.strictSame(seen('committed', 2), []);
  t.strictSame(seen('aborted', 0), []);
  t.match(seen('committing', 1), [
    /a transaction is committing: 1 of its messages were seen: unit 1 of a, unit 2 of a/,
  ]);
  t.match(seen('committed', 0), [/a transaction is committed: 0/]);
  t.match(seen('aborted', 1)[0], /its transaction is aborted/);
});
