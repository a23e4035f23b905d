import fc from 'fast-check';
import t from 'tap';
import { OldestFirstMap } from '../../broker/oldest-first-map.js';
import { check } from '../helpers/properties.js';

t.test('the oldest is what was added longest ago, whatever was deleted, set again or added since', async (t) => {
  const key = fc.nat(5);
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.record({ kind: fc.constantFrom('look' as const, 'take' as const, 'clear' as const), key }),
  );
  const property = fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
    const map = new OldestFirstMap<number, number>();
    const plain = new Map<number, number>();
    for (const [k, { kind, key }] of operations.entries()) {
      if (kind === 'clear') for (const each of [map, plain]) each.clear();
      if (kind === 'set') for (const each of [map, plain]) each.set(key, k);
      if (kind === 'delete') for (const each of [map, plain]) each.delete(key);
      const [wanted] = plain;
      const { oldest } = map;
      if (JSON.stringify(oldest) !== JSON.stringify(wanted)) {
        throw new Error(`step ${k}: got ${JSON.stringify(oldest)}, wants ${JSON.stringify(wanted)}`);
      }
      if (kind === 'take' && wanted !== undefined) for (const each of [map, plain]) each.delete(wanted[0]);
    }
  });
  check(t, property, 2_000);
});

t.test('the front is not walked again for each look', async (t) => {
  const map = new OldestFirstMap<number, number>();
  let walks = 0;
  const keys = map.keys.bind(map);
  Object.defineProperty(map, 'keys', {
    value: () => {
      walks++;
      return keys();
    },
  });
  for (let k = 0; k < 1_000; k++) map.set(k, k);
  for (let k = 0; k < 5_000; k++) {
    map.set(1_000 + k, k);
    t.equal(map.oldest?.[0], k);
    map.delete(k);
  }
  t.equal(walks, 1);
});
