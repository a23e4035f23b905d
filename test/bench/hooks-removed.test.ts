/** The build without hooks, for bench/hooks.bench.ts: every check that is to be taken out is where the list says. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { copyBuild, copyBuildWithoutHooks } from '../../bench/hooks-removed.js';

t.test('the copy differs from the build by the checks alone, and still loads', async (t) => {
  const [same, without] = [await copyBuild(), await copyBuildWithoutHooks()];
  t.teardown(() => Promise.all([same.remove(), without.remove()]));
  const read = (dist: string): Promise<string> => readFile(path.join(dist, 'broker/session/frame-intake.js'), 'utf8');
  t.match(await read(same.dist), 'decodesAll');
  t.notMatch(await read(without.dist), 'decodesAll');
  const { Broker } = (await import(path.join(without.dist, 'broker/index.js'))) as { Broker: unknown };
  t.type(Broker, 'function');
  await without.remove();
  t.notOk(existsSync(without.dist));
});
