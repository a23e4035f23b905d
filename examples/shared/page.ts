/**
 * Serves an example's page: its own `main.html`, `page.js` and `page.css` in the document, style and script that all examples
 * share, and client libraries out of node_modules.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';

const require = createRequire(import.meta.url);
// Compiled, this file lies in dist/examples/shared; pages stay where their sources are.
const EXAMPLES = path.resolve(import.meta.dirname, '../../../examples');
/** Files of packages that pages ask for under `lib/`; nothing is fetched from elsewhere. */
const LIBRARIES = {
  'sockjs.js': 'sockjs-client/dist/sockjs.min.js',
  'stomp.js': 'stompjs/lib/stomp.min.js',
  'socket.io.js': 'socket.io-client/dist/socket.io.min.js',
} as const;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

export interface PageOptions {
  readonly title: string;
  /** Default: none. */
  readonly libraries?: readonly (keyof typeof LIBRARIES)[] | undefined;
}

/**
 * Serves `examples/<example>/public` at the root of `app`. Pages name everything relatively, so that an application works
 * under a prefix as well.
 */
export async function servePage(
  app: FastifyInstance,
  example: string,
  { title, libraries = [] }: PageOptions,
): Promise<void> {
  const own = path.join(EXAMPLES, example, 'public');
  const shared = path.join(EXAMPLES, 'shared/public');
  const scripts = [...libraries.map((name) => `lib/${name}`), 'shared.js', 'page.js'];
  const page = await pageOf({ title, main: await readFile(path.join(own, 'main.html'), 'utf8'), scripts });
  app.get('/', (_request, reply) => reply.type(TYPES['.html'] ?? '').send(page));
  const files: [url: string, file: string][] = [
    ['/page.js', path.join(own, 'page.js')],
    ['/page.css', path.join(own, 'page.css')],
    ['/shared.js', path.join(shared, 'shared.js')],
    ['/style.css', path.join(shared, 'style.css')],
    ...libraries.map((name): [string, string] => [`/lib/${name}`, libraryFile(LIBRARIES[name])]),
  ];
  for (const [url, file] of files) {
    const content = await readFile(file);
    app.get(url, (_request, reply) => reply.type(TYPES[path.extname(file)] ?? 'text/plain').send(content));
  }
}

/** What all pages have around what is their own. @param main HTML @param scripts relative to the page @param base of the style */
export async function pageOf(parts: {
  readonly title: string;
  readonly main: string;
  readonly scripts: readonly string[];
  readonly base?: string;
}): Promise<string> {
  const { title, main, scripts, base = '' } = parts;
  const tags = scripts.map((url) => `<script src="${url}"></script>`).join('\n    ');
  const values: Readonly<Record<string, string>> = { title, main, scripts: tags, base };
  const document = await readFile(path.join(EXAMPLES, 'shared/public/document.html'), 'utf8');
  return document.replaceAll(/\{\{(\w+)\}\}/g, (_all, name: string) => values[name] ?? '');
}

/** Some packages do not export the file that browsers want, so it is found beside what they do export. */
function libraryFile(specifier: string): string {
  const [name = '', ...rest] = specifier.split('/');
  const root = require.resolve.paths(name)?.map((folder) => path.join(folder, name)) ?? [];
  for (const folder of root) {
    try {
      return require.resolve(path.join(folder, ...rest));
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`${specifier} is not installed`);
}
