/** Levels and redaction. */
import t from 'tap';
import { createLogger } from '../../../adapters/logging/index.js';

function recorder(level: string) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { logger: createLogger({ level, pretty: true }, { write }), lines };
}

t.test('what is below the level is not written', async (t) => {
  const { logger, lines } = recorder('warn');
  logger.info({}, 'no');
  logger.warn({ code: 'x' }, 'yes');
  t.match(lines, [{ level: 40, code: 'x', msg: 'yes' }]);
  t.equal(lines.length, 1);
});

t.test('silent writes nothing at all', async (t) => {
  const { logger, lines } = recorder('silent');
  logger.fatal({}, 'no');
  t.strictSame(lines, []);
});

t.test('secrets are masked, one and two levels down too', async (t) => {
  const { logger, lines } = recorder('debug');
  const secrets = { passcode: 'hunter2', authorization: 'Bearer hunter2', token: 'hunter2', cookie: 'hunter2' };
  logger.info({ ...secrets, headers: secrets, frame: { headers: secrets } }, 'frame');
  t.notMatch(JSON.stringify(lines), /hunter2/);
  t.match(lines, [{ passcode: '***', headers: { token: '***' }, frame: { headers: { authorization: '***' } } }]);
});
