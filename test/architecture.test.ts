/**
 * The shape of the source tree: folders, direction of imports, no cycles (type imports included), third-party packages
 * only where they may be, a comment at the head of each file, and a reason beside each suppression.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

const ROOT = path.resolve(import.meta.dirname, '../..');
const FOLDERS = ['protocol', 'broker', 'adapters', 'examples', 'bench', 'test'] as const;
type Folder = (typeof FOLDERS)[number];

/** What each folder may import from, itself included. */
const MAY_IMPORT: Readonly<Record<Folder, readonly Folder[]>> = {
  protocol: ['protocol'],
  broker: ['protocol', 'broker'],
  adapters: ['protocol', 'broker', 'adapters'],
  examples: ['protocol', 'broker', 'adapters', 'examples'],
  bench: ['protocol', 'broker', 'adapters', 'bench'],
  test: FOLDERS,
};
const PURE: readonly string[] = ['protocol', 'broker'];
const NO_IO =
  /^node:(net|tls|https?|http2|dgram|dns|fs|fs\/promises|child_process|worker_threads|cluster|process|timers|readline)$/;
/** What Node loads with a file: neither types nor what is imported later. */
const LOADED = /^(?:import|export)\s(?!type\s)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const IMPORT = /^(?:import|export)\s(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm;

interface Source {
  /** Path from the root, e.g. `broker/session.ts`. */
  readonly name: string;
  readonly text: string;
  /** Specifiers as written. */
  readonly imports: readonly string[];
}

function readSource(name: string): Source {
  const text = readFileSync(path.join(ROOT, name), 'utf8');
  // Test files hold sources of programs in template strings, never at the start of a line with a static import.
  const imports = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
  return { name, text, imports };
}

const sources = FOLDERS.filter((folder) => existsSync(path.join(ROOT, folder)))
  .flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  )
  .filter((name) => name.endsWith('.ts') && !name.includes('/node_modules/'))
  .map(readSource);
const byName = new Map(sources.map((source) => [source.name, source]));

function folderOf(name: string): string {
  return name.slice(0, name.indexOf('/'));
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

function resolveImport(source: Source, specifier: string): string {
  return path.posix.join(path.posix.dirname(source.name), specifier).replace(/\.js$/, '.ts');
}

/** Lines `file: fault`, for every import that `fault` objects to. */
function faults(fault: (source: Source, specifier: string) => string | null): string[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((specifier) => {
      const found = fault(source, specifier);
      return found === null ? [] : [`${source.name}: ${found}`];
    }),
  );
}

/** The first cycle met, as a path that ends where it began; empty when there is none. */
function findCycle(): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const trail: string[] = [];
  const visit = (name: string): string[] => {
    if (state.get(name) === 'done') return [];
    if (state.get(name) === 'open') return [...trail.slice(trail.indexOf(name)), name];
    const source = byName.get(name);
    if (source === undefined) return [];
    state.set(name, 'open');
    trail.push(name);
    for (const specifier of source.imports.filter(isRelative)) {
      const cycle = visit(resolveImport(source, specifier));
      if (cycle.length > 0) return cycle;
    }
    trail.pop();
    state.set(name, 'done');
    return [];
  };
  for (const { name } of sources) {
    const cycle = visit(name);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

/** Files and packages that a process has once it has loaded a file. */
function loadedWith(name: string, loaded = new Set<string>()): Set<string> {
  const source = byName.get(name);
  if (loaded.has(name) || source === undefined) return loaded;
  loaded.add(name);
  for (const [, specifier = ''] of source.text.matchAll(LOADED)) {
    if (isRelative(specifier)) loadedWith(resolveImport(source, specifier), loaded);
    else loaded.add(specifier);
  }
  return loaded;
}

t.test('sources and their imports are found', async (t) => {
  t.ok(sources.length > 20, `${sources.length} files`);
  t.ok(byName.get('broker/options.ts')?.imports.includes('./errors.js'));
});

t.test('the top level holds the six folders and no other', async (t) => {
  const ours = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .filter((name) => !['dist', 'node_modules', 'hoofbeat-data'].includes(name));
  t.same(
    ours.filter((name) => !(FOLDERS as readonly string[]).includes(name)),
    [],
  );
});

t.test('imports point left: protocol, broker, adapters, then the rest', async (t) => {
  const wrong = faults((source, specifier) => {
    if (!isRelative(specifier)) return null;
    const allowed: readonly string[] = MAY_IMPORT[folderOf(source.name) as Folder];
    const target = resolveImport(source, specifier);
    return allowed.includes(folderOf(target)) ? null : `imports ${target}`;
  });
  t.same(wrong, []);
});

t.test('every relative import names an existing file with its .js extension', async (t) => {
  const wrong = faults((source, specifier) => {
    if (!isRelative(specifier)) return null;
    return specifier.endsWith('.js') && byName.has(resolveImport(source, specifier)) ? null : `imports ${specifier}`;
  });
  t.same(wrong, []);
});

t.test('no file imports itself through others, type imports included', async (t) => {
  t.equal(findCycle().join(' -> '), '');
});

t.test(
  'processes start with what they need: a worker with listeners, a server without an admin API that is off',
  async (t) => {
    const worker = [...loadedWith('adapters/worker-main.ts')];
    t.ok(worker.includes('adapters/transports/tcp-transport.ts') && worker.includes('fastify'));
    t.same(
      worker.filter((name) =>
        /^adapters\/(admin|auth|redis|relays|stores)\/|^(ioredis|jose|pino-pretty|zod)$/.test(name),
      ),
      [],
    );
    const server = [...loadedWith('adapters/stomp-server.ts')];
    t.ok(server.includes('broker/broker.ts') && server.includes('adapters/admin/audit-log.ts'));
    t.same(
      server.filter((name) => /^adapters\/admin\/routes\/|^(ioredis|pino-pretty|prom-client|@fastify\/.*)$/.test(name)),
      [],
    );
  },
);

t.test('protocol and broker import no package and nothing that does I/O', async (t) => {
  const wrong = faults((source, specifier) => {
    if (isRelative(specifier) || !PURE.includes(folderOf(source.name))) return null;
    return specifier.startsWith('node:') && !NO_IO.test(specifier) ? null : `imports ${specifier}`;
  });
  t.same(wrong, []);
});

t.test('builtin modules are imported with the node: prefix and packages are declared', async (t) => {
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'optionalDependencies' | 'devDependencies',
    Record<string, string> | undefined
  >;
  const runtime = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  const all = [...runtime, ...Object.keys(manifest.devDependencies ?? {})];
  const wrong = faults((source, specifier) => {
    if (isRelative(specifier) || specifier.startsWith('node:')) return null;
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    const declared = folderOf(source.name) === 'adapters' ? runtime : all;
    return declared.includes(name) ? null : `imports ${specifier}, which package.json does not declare for it`;
  });
  t.same(wrong, []);
});

t.test('every file begins with a comment that says what it is', async (t) => {
  // A test file is named after what it tests, and its titles say what holds.
  const bare = sources.filter(({ name, text }) => !name.endsWith('.test.ts') && !/^(#!.*\n)?(\/\*\*|\/\/)/.test(text));
  t.same(
    bare.map(({ name }) => name),
    [],
  );
});

t.test('every suppression gives its reason', async (t) => {
  const suppression = /eslint-disable|@ts-(?:expect-error|ignore|nocheck)|prettier-ignore/;
  const silent = sources
    .filter(({ name }) => name !== 'test/architecture.test.ts')
    .flatMap(({ name, text }) =>
      text
        .split('\n')
        .filter((line) => suppression.test(line) && !/ -- \S|@ts-expect-error:? \S/.test(line))
        .map((line) => `${name}: ${line.trim()}`),
    );
  t.same(silent, []);
});
