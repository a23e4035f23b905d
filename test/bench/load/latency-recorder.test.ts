import t from 'tap';
import { LatencyRecorder } from '../../../bench/load/latency-recorder.js';

t.test('what waits behind a stall is late by all of its waiting', async (t) => {
  // A hundred messages, one each 10 ms, answered after 1 ms; then the server stalls for 500 ms.
  const recorder = new LatencyRecorder(150, 10);
  for (let number = 0; number < 100; number++) recorder.arrived(number, number * 10 + 1);
  for (let number = 100; number < 150; number++) recorder.arrived(number, 1_500);
  const { p50Ms, p90Ms, maxMs } = recorder.percentiles();
  t.equal(p50Ms, 1);
  // The fifteenth longest of the fifty that waited 10 to 500 ms.
  t.equal(p90Ms, 350);
  t.equal(maxMs, 500);
});

t.test('without latencies there are no percentiles', async (t) => {
  t.same(Object.values(new LatencyRecorder(10, 1).percentiles()), [NaN, NaN, NaN, NaN, NaN]);
});
