/** Serves an example's page, the style that all examples share, and client libraries out of node_modules. */
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
const PAGE_FILES = ['index.html', 'page.js', 'page.css'];
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/**
 * Serves `examples/<example>/public` at the root of `app`. Pages name everything relatively, so that an application works
 * under a prefix as well.
 */
export async function servePage(
  app: FastifyInstance,
  example: string,
  libraries: readonly (keyof typeof LIBRARIES)[],
): Promise<void> {
  const files: [url: string, file: string][] = [
    ...PAGE_FILES.map((name): [string, string] => [
      name === 'index.html' ? '/' : `/${name}`,
      path.join(EXAMPLES, example, 'public', name),
    ]),
    ['/style.css', path.join(EXAMPLES, 'shared/public/style.css')],
    ...libraries.map((name): [string, string] => [`/lib/${name}`, libraryFile(LIBRARIES[name])]),
  ];
  for (const [url, file] of files) {
    const content = await readFile(file);
    app.get(url, (_request, reply) => reply.type(TYPES[path.extname(file)] ?? 'text/plain').send(content));
  }
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
