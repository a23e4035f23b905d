import t from 'tap';
import { CarriedTraceState } from '../../../adapters/tracing/carried-trace-state.js';

t.test('a trace state is carried as it is; what is new stands in front', async (t) => {
  const state = CarriedTraceState.parse('rojo=00f067, congo=t61=x,,bad,=none');
  t.equal(state.serialize(), 'rojo=00f067,congo=t61=x');
  t.equal(state.get('congo'), 't61=x');
  t.equal(state.set('congo', 'new').serialize(), 'congo=new,rojo=00f067');
  t.equal(state.unset('rojo').serialize(), 'congo=t61=x');
  t.equal(state.get('nothing'), undefined);
  t.equal(CarriedTraceState.parse('').serialize(), '');
});
