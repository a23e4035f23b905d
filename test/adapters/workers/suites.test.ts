/** Suites that speak to a server over sockets, once more with worker processes between: the same facts hold. */
import t from 'tap';
import { SUITE_LIMIT_MS, SuiteProcess } from '../../helpers/suite-process.js';

/**
 * Those that start few servers, as each start is two processes more, and whose facts do not rest on the order of what two
 * connections do, which workers do not keep.
 */
const SUITES = ['conformance/framing', 'conformance/receipts', 'interop/traps'];

const suites = new SuiteProcess(t, SUITES, { HOOFBEAT_TEST_WORKERS: '2' });
for (const suite of SUITES) {
  t.test(`${suite} with two workers`, { timeout: SUITE_LIMIT_MS }, (t) => suites.passes(t, suite, 6));
}
