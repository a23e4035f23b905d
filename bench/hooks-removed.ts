/**
 * Copies of the build: one as it is, one without the checks for interceptors and rules. What is taken out is named line
 * by line, and must be there: a bench against a copy that still has its hooks would prove nothing.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

interface Cut {
  /** In dist/. */
  readonly file: string;
  readonly find: RegExp;
  readonly replacement: string;
  readonly times: number;
}

/** Each check as if there could be no interceptor and no rule: its quiet branch alone. */
const CUTS: readonly Cut[] = [
  // For each delivery.
  {
    file: 'broker/frame-writer.js',
    find: /else if \(this\.interceptsOutbound\)\s*at = [^;]+;\s*(?=else)/g,
    replacement: '',
    times: 1,
  },
  // For each SEND.
  {
    file: 'broker/session/frame-intake.js',
    find: / && !this\.#environment\.decodesAll\)/g,
    replacement: ')',
    times: 1,
  },
  {
    file: 'broker/session/plain-routes.js',
    find: /if \(this\.#access\?\.isKnownAllowed\(destination\) === false\)\s*return null;/g,
    replacement: '',
    times: 1,
  },
  {
    file: 'broker/session/frame-intake.js',
    find: /if \(this\.#environment\.tracing === null \|\| !isTraced\(raw\)\)/g,
    replacement: 'if (true)',
    times: 1,
  },
  // For each frame of the strict path: CONNECT, SUBSCRIBE, SEND with a receipt.
  {
    file: 'broker/session/frame-intake.js',
    find: /if \(interceptors\.inbound === null\)/g,
    replacement: 'if (true)',
    times: 1,
  },
  {
    file: 'broker/session/session-identity.js',
    find: /if \(this\.access === null \|\| decided === null\)/g,
    replacement: 'if (true)',
    times: 1,
  },
  {
    file: 'broker/message-publisher.js',
    find: /if \(interceptors\.broker === null\)/g,
    replacement: 'if (true)',
    times: 2,
  },
  { file: 'broker/message-publisher.js', find: /if \(tracing === null\)/g, replacement: 'if (true)', times: 2 },
];

/** `dist`, two folders above this compiled file's own. */
const DIST = path.resolve(import.meta.dirname, '..');

/** A root with package.json, node_modules and a copy of `dist`; `remove` deletes it. */
export interface BuildCopy {
  readonly dist: string;
  remove(): Promise<void>;
}

export async function copyBuild(): Promise<BuildCopy> {
  const root = await mkdtemp(path.join(tmpdir(), 'hoofbeat-bench-'));
  const dist = path.join(root, 'dist');
  for (const folder of ['protocol', 'broker', 'adapters', 'bench']) {
    await cp(path.join(DIST, folder), path.join(dist, folder), { recursive: true });
  }
  await cp(path.join(DIST, '../package.json'), path.join(root, 'package.json'));
  await symlink(path.join(DIST, '../node_modules'), path.join(root, 'node_modules'));
  return { dist, remove: () => rm(root, { recursive: true, force: true }) };
}

/** @throws Error when a check is not where it was: the list above is out of date */
export async function copyBuildWithoutHooks(): Promise<BuildCopy> {
  const copy = await copyBuild();
  try {
    for (const cut of CUTS) await apply(cut, copy.dist);
  } catch (error) {
    await copy.remove();
    throw error;
  }
  return copy;
}

async function apply({ file, find, replacement, times }: Cut, dist: string): Promise<void> {
  const name = path.join(dist, file);
  const text = await readFile(name, 'utf8');
  const found = text.match(find)?.length ?? 0;
  if (found !== times) throw new Error(`${file}: ${find.source} is there ${found} times, expected ${times}`);
  await writeFile(name, text.replace(find, replacement));
}
