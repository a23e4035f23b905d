import t from 'tap';
import { createBroker, createStompServer } from '../../../adapters/index.js';
import { OptionsError, resolveServerOptions } from '../../../adapters/config/index.js';
import { parseWorkers, resolveWorkers } from '../../../adapters/config/workers-option.js';

t.test('one process is the default; auto leaves a processor to the broker', async (t) => {
  t.equal(resolveServerOptions().workers, 1);
  t.strictSame(
    [1, 2, 3, 8, 1_000].map((processors) => resolveWorkers('auto', processors)),
    [1, 1, 2, 7, 64],
  );
});

t.test('text is a number from 1 to 64, or auto', async (t) => {
  t.strictSame(['1', '64', 'auto'].map(parseWorkers), [1, 64, 'auto']);
  for (const text of ['0', '65', '-1', '1.5', '2x', '', 'many']) t.equal(parseWorkers(text), null, text);
});

t.test('what is neither is a fault', async (t) => {
  for (const workers of [0, 65, 1.5]) {
    const wanted = new OptionsError([`workers: got ${workers}, wants "auto" or a number from 1 to 64`]);
    t.throws(() => resolveServerOptions({ workers }), wanted);
  }
});

t.test('a broker inside an application refuses workers, auto on one processor included', async (t) => {
  for (const workers of [2, 'auto'] as const) {
    const got = JSON.stringify(workers);
    const wanted = new OptionsError([
      `workers: got ${got}, wants 1 for a broker inside an application: worker processes are for hoofbeat serve`,
    ]);
    t.throws(() => createStompServer({ workers }), wanted);
    t.throws(() => createBroker({ workers }), wanted);
  }
  t.equal(createStompServer({ workers: 1 }).options.workers, 1);
});
