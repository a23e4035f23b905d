// What is installed with this package, by its lockfile: scripts, integrity, reasons, and the review that it was given.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(path.join(ROOT, name), 'utf8');
const { packages } = JSON.parse(read('package-lock.json')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};
const manifest = JSON.parse(read('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};
const installed = Object.entries(packages).filter(([place]) => place !== '');
const runtime = installed.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true);
const nameOf = (place: string): string => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
const security = read('SECURITY.md');

t.test('nothing but better-sqlite3 has a script that runs at install, save what works without', async (t) => {
  const scripted = runtime.filter(([, { hasInstallScript }]) => hasInstallScript === true);
  const needed = scripted.filter(([, { optional }]) => optional !== true).map(([place]) => nameOf(place));
  const optional = scripted.filter((entry) => entry[1].optional === true).map(([place]) => nameOf(place));
  t.strictSame(needed, ['better-sqlite3']);
  t.strictSame(optional.sort(), ['bufferutil', 'utf-8-validate']);
});

t.test('every script of any package is decided about', async (t) => {
  const scripted = installed
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([place]) => nameOf(place));
  for (const name of scripted) t.type(manifest.allowScripts[name], 'boolean', `allowScripts names ${name}`);
  const allowed = Object.keys(manifest.allowScripts).filter((name) => manifest.allowScripts[name] === true);
  t.strictSame(allowed.sort(), ['better-sqlite3', 'bufferutil']);
});

t.test('every package is locked to its octets', async (t) => {
  const loose = installed.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true);
  t.strictSame(
    loose.map(([place]) => place),
    [],
  );
});

t.test('every runtime dependency has its reason in SECURITY.md, and nothing else is listed there', async (t) => {
  const listed = [...security.matchAll(/^\| `([^`]+)` +\| +([^|]+?) +\| +([^|]+?) +\|$/gm)].map(
    ([, name]) => name ?? '',
  );
  const wanted = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  t.strictSame(listed.sort(), wanted.sort());
});

t.test('the review in SECURITY.md is of what is locked now', async (t) => {
  const pinned = runtime.map(
    ([place, { version, integrity, license }]) => `${place} ${version} ${integrity ?? ''} ${license ?? ''}\n`,
  );
  const digest = createHash('sha256').update(pinned.sort().join('')).digest('hex');
  const reviewed = /^Reviewed: (\d+) packages, ([0-9a-f]{64})$/m.exec(security);
  t.equal(
    `${reviewed?.[1]}, ${reviewed?.[2]}`,
    `${runtime.length}, ${digest}`,
    'look at what has changed, then note it there',
  );
});

t.test('licences are those that were agreed to', async (t) => {
  const known = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0'];
  const odd = runtime.filter(
    ([, { license = '' }]) =>
      !license
        .replace(/[()]/g, '')
        .split(' OR ')
        .some((each) => known.includes(each)),
  );
  t.strictSame(
    odd.map(([place]) => place),
    [],
  );
});

t.test('SECURITY.md names tests that there are', async (t) => {
  const named = [...security.matchAll(/`(test\/[\w./-]+\.test\.ts)`/g)].map(([, name]) => name ?? '');
  t.ok(named.length > 5);
  for (const name of named) t.ok(read(name).length > 0, name);
});
