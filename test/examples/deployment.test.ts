/** Dockerfile, compose file and systemd unit: what can be known of them without running them. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import {
  type ServerOptions,
  DEFAULT_ADMIN_OPTIONS,
  DEFAULT_SERVER_OPTIONS,
  parseConfig,
  resolveServerOptions,
} from '../../adapters/index.js';
import { readEnvironment } from '../../adapters/cli/overrides.js';
import { CliHost, temporaryDirectory } from '../helpers/cli.js';
import { requireProgram } from '../helpers/programs.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const FOLDER = path.join(ROOT, 'examples/operations');
const run = promisify(execFile);
const read = (name: string): string => readFileSync(path.join(FOLDER, name), 'utf8');

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, object>>;
  readonly healthcheck?: object;
  readonly read_only?: boolean;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
  readonly configs: Readonly<Record<string, object>>;
}

const compose = parse(read('compose.yaml'), { merge: true }) as Compose;
const options = resolveServerOptions(parseConfig(read('hoofbeat.yaml'), 'hoofbeat.yaml'));
const instructions = read('Dockerfile')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line));
const of = (name: string): string[] =>
  instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));

/** Flags of a command line of `hoofbeat`, and its command. */
function flagsIn(line: readonly string[]): { readonly command: string; readonly flags: string[] } {
  return { command: line[0] ?? '', flags: line.filter((word) => word.startsWith('--')) };
}

/** As `hoofbeat --help` of the command says. */
async function checkCommand(t: Test, host: CliHost, line: readonly string[]): Promise<void> {
  const { command, flags } = flagsIn(line);
  const { exitCode, stdout } = await host.run([command, '--help']);
  t.equal(exitCode, 0, command);
  for (const flag of flags) t.match(stdout, new RegExp(`(^|\\s)${flag}\\s`), flag);
}

t.test('the image is built of what is there, and runs what the command has', async (t) => {
  const host = new CliHost(t);
  const stages = instructions.reduce<string[][]>((all, line) => {
    if (line.startsWith('FROM ')) all.push([]);
    all.at(-1)?.push(line);
    return all;
  }, []);
  t.equal(stages.length, 2);
  for (const copy of of('COPY').filter((each) => !each.startsWith('--from'))) {
    for (const source of copy.split(/\s+/).slice(0, -1)) t.ok(existsSync(path.join(ROOT, source)), source);
  }
  const { files, bin, engines } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    readonly files: readonly string[];
    readonly bin: { readonly hoofbeat: string };
    readonly engines: { readonly node: string };
  };
  const [, final = []] = stages;
  for (const folder of files.filter((each) => !/^[A-Z]/.test(each))) {
    t.ok(
      final.some((line) => line.startsWith('COPY --from=build') && line.includes(`/build/${folder} `)),
      folder,
    );
  }
  t.ok(
    final.some((line) => line.includes(path.posix.join('/opt/hoofbeat', bin.hoofbeat))),
    'the command',
  );
  t.ok(final.includes('USER node'), 'nobody runs as root');
  t.ok(final.indexOf('USER node') < final.findIndex((line) => line.startsWith('ENTRYPOINT')));
  for (const from of of('FROM')) {
    const [, major = '0'] = /^node:(\d+)-/.exec(from) ?? [];
    t.ok(Number(major) >= Number(/\d+/.exec(engines.node)?.[0]), from);
  }
  t.strictSame(of('EXPOSE').join(' ').split(' ').map(Number), [
    DEFAULT_SERVER_OPTIONS.http.port,
    DEFAULT_SERVER_OPTIONS.tcp.port,
    DEFAULT_ADMIN_OPTIONS.port,
  ]);
  t.match(of('HEALTHCHECK')[0], `http://127.0.0.1:${DEFAULT_ADMIN_OPTIONS.port}/api/v1/health/ready`);
  t.strictSame(JSON.parse(of('ENTRYPOINT')[0] ?? ''), ['hoofbeat']);
  await checkCommand(t, host, JSON.parse(of('CMD')[0] ?? '') as string[]);
  const variables = [...(of('ENV')[0] ?? '').matchAll(/(HOOFBEAT_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]);
  t.strictSame(readEnvironment(Object.fromEntries(variables) as NodeJS.ProcessEnv), {
    ...readEnvironment({}),
    host: '0.0.0.0',
    data: '/var/lib/hoofbeat',
  });
});

t.test('the compose file mounts what is there, and names what it declares', async (t) => {
  const { services, volumes, configs } = compose;
  t.strictSame(Object.keys(services), ['hoofbeat-1', 'hoofbeat-2', 'redis', 'prometheus', 'grafana']);
  const published: string[] = [];
  for (const [name, service] of Object.entries(services)) {
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('.')) t.ok(existsSync(path.join(FOLDER, source)), `${name}: ${source}`);
      else t.ok(Object.hasOwn(volumes, source), `${name}: ${source}`);
    }
    for (const { source } of service.configs ?? []) t.ok(Object.hasOwn(configs, source), `${name}: ${source}`);
    const needed = service.depends_on ?? [];
    for (const other of Array.isArray(needed) ? needed : Object.keys(needed)) {
      t.ok(Object.hasOwn(services, String(other)), `${name}: ${String(other)}`);
      if (!Array.isArray(needed)) t.ok(services[String(other)]?.healthcheck, `${String(other)} says when it is there`);
    }
    published.push(...(service.ports ?? []).map((port) => port.split(':')[0] ?? ''));
    t.notMatch(service.image, /:latest$/, 'a version, so that it starts tomorrow as it does today');
  }
  t.equal(new Set(published).size, published.length, 'no port twice');
});

t.test('nodes of the compose file are configured by words that the server knows', async (t) => {
  for (const name of ['hoofbeat-1', 'hoofbeat-2'] as const) {
    const service = compose.services[name];
    const known = readFileSync(path.join(ROOT, 'adapters/cli/overrides.ts'), 'utf8');
    for (const variable of Object.keys(service?.environment ?? {})) t.match(known, `'${variable}'`, variable);
    const inside = (service?.ports ?? []).map((port) => Number(port.split(':')[1]));
    const { http, tcp } = options;
    t.strictSame(inside, [http === false ? 0 : http.port, tcp === false ? 0 : tcp.port]);
    t.ok(service?.volumes?.some((volume) => volume.endsWith(':/etc/hoofbeat/hoofbeat.yaml:ro')));
    t.ok(service?.volumes?.some((volume) => volume.endsWith(':/var/lib/hoofbeat')));
    t.equal(service?.read_only, true);
    t.ok(existsSync(path.join(FOLDER, service?.build?.context ?? '', service?.build?.dockerfile ?? '')));
  }
  t.match(options, {
    relay: { type: 'redis', url: 'redis://redis:6379' },
    admin: { port: 8081 },
  } satisfies Partial<ServerOptions>);
});

t.test('Prometheus and Grafana of the compose file find each other', async (t) => {
  const { scrape_configs: scrapes } = parse(read('prometheus-compose.yml')) as {
    readonly scrape_configs: readonly {
      readonly authorization: { readonly credentials_file: string };
      readonly static_configs: readonly { readonly targets: readonly string[] }[];
    }[];
  };
  for (const target of scrapes.flatMap((each) => each.static_configs.flatMap(({ targets }) => targets))) {
    const [name = '', port] = target.split(':');
    t.ok(Object.hasOwn(compose.services, name), target);
    t.equal(Number(port), options.admin === false ? 0 : options.admin.port);
  }
  const { prometheus, grafana } = compose.services;
  t.ok(prometheus?.configs?.some(({ target }) => target === scrapes[0]?.authorization.credentials_file));
  const { datasources } = parse(read('grafana-datasource.yml')) as { readonly datasources: readonly { url: string }[] };
  t.equal(new URL(datasources[0]?.url ?? '').hostname, 'prometheus');
  const { providers } = parse(read('grafana-provisioning.yml')) as {
    readonly providers: readonly { readonly options: { readonly path: string } }[];
  };
  t.ok(
    grafana?.volumes?.some((volume) => volume.includes(`:${providers[0]?.options.path}/`)),
    'the dashboard is where it is looked for',
  );
  if (!requireProgram(t, 'promtool')) return;
  const args = ['check', 'config', '--syntax-only', 'prometheus-compose.yml'];
  t.match((await run('promtool', args, { cwd: FOLDER })).stdout, /SUCCESS/);
});

t.test('systemd takes the unit, and finds little that it leaves open', async (t) => {
  const host = new CliHost(t);
  const [, line = ''] = /^ExecStart=\S+ hoofbeat (.*)$/m.exec(read('hoofbeat.service')) ?? [];
  await checkCommand(t, host, line.split(' '));
  if (!requireProgram(t, 'systemd-analyze')) return;
  const file = path.join(FOLDER, 'hoofbeat.service');
  // In a directory of its own: it looks for everything that a unit asks for, and writes nothing.
  const options = { cwd: temporaryDirectory(t) };
  const { stdout, stderr } = await run(
    'systemd-analyze',
    ['verify', '--man=no', '--recursive-errors=no', file],
    options,
  );
  t.notMatch(stdout + stderr, /hoofbeat\.service/, 'nothing to say about it');
  const secure = await run('systemd-analyze', ['security', '--offline=true', '--threshold=25', file], options);
  t.match(secure.stdout, /Overall exposure level for hoofbeat\.service: [\d.]+ OK/);
});
