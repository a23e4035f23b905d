/**
 * The files of the console, read once: its page out of `public/`, its modules as tsc compiled them, and libraries as their
 * packages bring them. Browsers know no package by name, so names in imports are made addresses here; that is all the
 * bundling there is.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export interface ConsoleFile {
  readonly type: string;
  readonly content: Buffer;
  readonly etag: string;
}

const require = createRequire(import.meta.url);
const PAGE = path.join(import.meta.dirname, 'page');
// Compiled, this file lies in dist/adapters/admin/console; what is not compiled stays where its source is.
const PUBLIC = path.resolve(import.meta.dirname, '../../../../adapters/admin/console/public');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Packages as the page's modules name them, and where they are served. */
const MODULES: Readonly<Record<string, string>> = {
  preact: 'lib/preact.js',
  'preact/hooks': 'lib/preact-hooks.js',
  htm: 'lib/htm.js',
  uplot: 'lib/uplot.js',
  '@stomp/stompjs': 'lib/stompjs/index.js',
};
const IMPORT = /(\bfrom\s*|\bimport\s*)(["'])(preact|preact\/hooks|htm|uplot|@stomp\/stompjs)\2/g;

/** By path below `/console/`. */
export function consoleFiles(): ReadonlyMap<string, ConsoleFile> {
  const sources: (readonly [url: string, file: string])[] = [
    ...filesBelow(PUBLIC, '', /\.(html|css|svg)$/),
    ...filesBelow(PAGE, 'page/', /\.js$/),
    ['lib/preact.js', require.resolve('preact')],
    ['lib/preact-hooks.js', require.resolve('preact/hooks')],
    ['lib/htm.js', path.join(packageRoot('htm'), 'dist/htm.module.js')],
    ['lib/uplot.js', path.join(packageRoot('uplot'), 'dist/uPlot.esm.js')],
    ['lib/uplot.css', path.join(packageRoot('uplot'), 'dist/uPlot.min.css')],
    ['lib/sockjs.js', path.join(packageRoot('sockjs-client'), 'dist/sockjs.min.js')],
    ...filesBelow(path.join(packageRoot('@stomp/stompjs'), 'esm6'), 'lib/stompjs/', /\.js$/),
  ];
  return new Map(sources.map(([url, file]) => [url, read(url, file)]));
}

function filesBelow(folder: string, prefix: string, wanted: RegExp): [url: string, file: string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => wanted.test(name))
    .map((name) => [prefix + name.split(path.sep).join('/'), path.join(folder, name)]);
}

/** Some packages export neither the file that browsers want nor their package.json. */
function packageRoot(name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    const root = path.join(folder, name);
    try {
      readFileSync(path.join(root, 'package.json'));
      return root;
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`${name} is not installed`);
}

function read(url: string, file: string): ConsoleFile {
  const extension = path.extname(file) === '.mjs' ? '.js' : path.extname(file);
  const raw = readFileSync(file);
  const content = extension === '.js' ? Buffer.from(withAddresses(url, raw.toString())) : raw;
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 16)}"`;
  return { type: TYPES[extension] ?? 'text/plain; charset=utf-8', content, etag };
}

/** Source maps are left out as well: they would be asked for and are not served. */
function withAddresses(url: string, text: string): string {
  const address = (name: string): string => {
    const relative = path.posix.relative(path.posix.dirname(url), MODULES[name] ?? name);
    return relative.startsWith('.') ? relative : `./${relative}`;
  };
  return text
    .replace(IMPORT, (_all, before: string, quote: string, name: string) => `${before}${quote}${address(name)}${quote}`)
    .replace(/^\/\/# sourceMappingURL=.*$/m, '');
}
