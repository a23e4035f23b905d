/** What is served as the console: all of it, nothing else, and with a policy that lets nothing in from elsewhere. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { consoleFiles } from '../../../../adapters/admin/console/console-files.js';
import { CONSOLE_CSP } from '../../../../adapters/admin/console/register-console.js';
import { startAdmin } from '../../../helpers/admin.js';

const files = consoleFiles();
const MANIFEST = path.resolve(import.meta.dirname, '../../../../../package.json');

t.test('every import of every module, and every file that the page names, is served', async (t) => {
  const missing: string[] = [];
  for (const [url, { content, type }] of files) {
    const text = content.toString();
    const names = type.startsWith('text/javascript')
      ? [...text.matchAll(/(?:^|[\s;}])(?:import|from)\s*["']([\w./@-]+)["']/g)].map(([, name]) => name ?? '')
      : type.startsWith('text/html')
        ? [...text.matchAll(/\b(?:src|href)="([^"]+)"/g)].map(([, name]) => name ?? '')
        : [];
    for (const name of names) {
      const target = path.posix.join(path.posix.dirname(url), name);
      if (!files.has(target)) missing.push(`${url}: ${name}`);
    }
  }
  t.strictSame(missing, []);
  for (const name of [
    'index.html',
    'page/main.js',
    'page/views/queue.js',
    'lib/preact.js',
    'lib/uplot.js',
    'lib/sockjs.js',
  ])
    t.ok(files.has(name), name);
});

t.test('the published package has what is served', async (t) => {
  const { dependencies, files: published } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly files: readonly string[];
  };
  for (const name of ['preact', 'htm', 'uplot', '@stomp/stompjs', 'sockjs-client']) t.ok(name in dependencies, name);
  t.ok(published.includes('adapters/admin/console/public'));
  t.ok(published.includes('dist/adapters'));
});

t.test('nothing of the page is written into it: no script, no style, no handler', async (t) => {
  const page = files.get('index.html')?.content.toString() ?? '';
  t.notMatch(page, /<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:/i);
  t.notMatch(page, /https?:/);
  t.notMatch(CONSOLE_CSP, /unsafe|https?:|\*/);
});

t.test('files have the policy, are asked for again, and are sent once', async (t) => {
  const { ask, origin } = await startAdmin(t);
  const moved = await fetch(`${origin}/console`, { redirect: 'manual' });
  t.strictSame([moved.status, moved.headers.get('location')], [302, 'console/'], 'wherever a proxy puts it');
  for (const [name, { type }] of files) {
    const { status, headers } = await ask('GET', `//console/${name === 'index.html' ? '' : name}`, { as: null });
    t.strictSame(
      [status, headers.get('content-type'), headers.get('content-security-policy'), headers.get('cache-control')],
      [200, type, CONSOLE_CSP, 'no-cache'],
      name,
    );
    t.equal(headers.get('x-content-type-options'), 'nosniff');
  }
  const etag = files.get('style.css')?.etag ?? '';
  const again = await ask('GET', '//console/style.css', { as: null, headers: { 'if-none-match': etag } });
  t.strictSame([again.status, again.text], [304, '']);
  for (const name of ['page/main.ts', 'page/main.d.ts', '..%2fdoors.js', 'page/../../doors.js', 'page/tsconfig.json'])
    t.equal((await ask('GET', `//console/${name}`, { as: null })).status, 404, name);
});

t.test('without a token of the configuration, and where it is switched off, there is no console', async (t) => {
  for (const admin of [{ tokens: [] }, { console: false }]) {
    const { ask } = await startAdmin(t, admin);
    t.equal((await ask('GET', '//console/', { as: null })).status, 404);
    t.equal((await ask('GET', '//console/live/info', { as: null })).status, 404);
  }
});
