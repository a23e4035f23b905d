/** The clock that tests turn by hand: the one that users get in hoofbeat/testing. */
export { VirtualClock as FakeClock } from '../../adapters/testing/virtual-clock.js';
