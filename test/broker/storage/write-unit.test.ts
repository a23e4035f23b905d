import t from 'tap';
import { WriteUnit, type UnitTerms } from '../../../broker/storage/write-unit.js';

function unitOf(terms?: UnitTerms) {
  const written: WriteUnit[] = [];
  const writer = {
    write: (unit: WriteUnit) => {
      written.push(unit);
      return Promise.resolve();
    },
  };
  return { unit: new WriteUnit(writer, terms), written };
}

t.test('without anything to store, everything is done at once and in order', async (t) => {
  const { unit, written } = unitOf();
  const done: string[] = [];
  unit.then(() => done.push('a'));
  unit.show(() => done.push('shown'));
  unit.then(() => done.push('b'));
  t.equal(unit.submit(), undefined);
  t.strictSame(done, ['shown', 'a', 'b']);
  t.equal(written.length, 0);
});

t.test('a unit that holds back shows nothing before it is stored', async (t) => {
  const { unit, written } = unitOf({ holdsBack: true });
  const done: string[] = [];
  unit.show(() => done.push('shown'));
  unit.add({ kind: 'delete', key: 'k' }, () => done.push('applied'));
  await unit.submit();
  t.strictSame(done, []);
  t.strictSame(written, [unit]);
  void unit.applyAll();
  t.strictSame(done, ['shown', 'applied']);
});

t.test('undoing begins with what was asked for last', async (t) => {
  const { unit } = unitOf();
  const undone: string[] = [];
  for (const name of ['a', 'b']) unit.add({ kind: 'delete', key: name }, null, () => undone.push(name));
  unit.then(null, () => undone.push('c'));
  unit.undoAll();
  t.strictSame(undone, ['c', 'b', 'a']);
});

t.test(
  'what is asked for last is asked for when the unit is submitted, and not when it is undone before',
  async (t) => {
    const done: string[] = [];
    const fill = ({ unit }: ReturnType<typeof unitOf>): void => {
      t.equal(unit.needsStore, false);
      unit.atSubmit(() => {
        done.push('asked');
        unit.add({ kind: 'delete', key: 'k' });
      });
      unit.then(
        () => done.push('applied'),
        () => done.push('undone'),
      );
      t.equal(unit.needsStore, true);
      t.strictSame(unit.operations, []);
    };
    const submitted = unitOf();
    fill(submitted);
    await submitted.unit.submit();
    t.strictSame(submitted.written[0]?.operations, [{ kind: 'delete', key: 'k' }]);
    void submitted.unit.applyAll();
    const undone = unitOf();
    fill(undone);
    undone.unit.undoAll();
    t.strictSame(done, ['asked', 'applied', 'undone']);
  },
);
