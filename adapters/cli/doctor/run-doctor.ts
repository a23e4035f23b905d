/** What `hoofbeat doctor` does, check by check; loaded by that command alone. */
import { randomBytes } from 'node:crypto';
import { OptionsError, readConfigFile, type ResolvedServerOptions, resolveServerOptions } from '../../config/index.js';
import { AdminClient, readToken, type AdminFlags } from '../admin/admin-client.js';
import { type ClientFlags, readFileOrFail } from '../client-flags.js';
import { type Environment, readVariable } from '../environment.js';
import { CliError } from '../exit-code.js';
import { applyOverrides, readEnvironment } from '../overrides.js';
import { DEFAULT_DATA } from '../serve-defaults.js';
import { painter } from '../terminal.js';
import { fail, ok, Report, skip, warn } from './finding.js';
import { checkMemory, checkWorkers, type ShownProcesses } from './process-checks.js';
import { checkRedis } from './redis-check.js';
import {
  checkOpenFiles,
  checkOptions,
  checkPort,
  checkStore,
  checkTaken,
  type ListenedPort,
  portsOf,
} from './server-checks.js';
import { checkUrl, type UrlChecksOptions } from './url-checks.js';

export interface DoctorFlags extends Omit<ClientFlags, 'url'>, AdminFlags {
  readonly url?: readonly URL[];
  readonly config?: string;
  readonly destination?: string;
  readonly idle: number;
  readonly json?: true;
}

/** A share of sessions that ended so is no accident any more. */
const MANY_TIMEOUTS = 0.05;

/** @throws CliError without a line, exit code 1, when a check has failed */
export async function runDoctor(flags: DoctorFlags, environment: Environment): Promise<void> {
  const report = new Report(flags.json === true, painter(environment, process.stdout));
  const common = await commonOf(flags, environment);
  const given = flags.url ?? [];
  // Of a server elsewhere there is no configuration here, unless one is named.
  const isHere = given.length === 0 || flags.config !== undefined;
  const local = isHere ? await checkServer(flags, environment, report) : [];
  for (const url of [...local, ...given]) {
    for await (const finding of checkUrl({ ...common, url, ...credentialsOf(url, common) })) report.add(finding);
  }
  await checkAdmin(flags, environment, report);
  report.end();
  if (report.hasFailed) throw new CliError('');
}

async function commonOf(flags: DoctorFlags, environment: Environment): Promise<Omit<UrlChecksOptions, 'url'>> {
  return {
    login: flags.login ?? readVariable(environment, 'HOOFBEAT_LOGIN'),
    passcode: flags.passcode ?? readVariable(environment, 'HOOFBEAT_PASSCODE'),
    hostHeader: flags.hostHeader,
    ca: flags.cafile === undefined ? undefined : await readFileOrFail(flags.cafile),
    destination: flags.destination ?? `/topic/hoofbeat-doctor.${randomBytes(4).toString('hex')}`,
    timeoutMs: flags.timeout * 1_000,
    idleSeconds: flags.idle,
  };
}

function credentialsOf(url: URL, { login, passcode }: Omit<UrlChecksOptions, 'url'>) {
  return {
    login: decodeURIComponent(url.username) || login,
    passcode: decodeURIComponent(url.password) || passcode,
  };
}

/** @returns URLs at which something listens */
async function checkServer(flags: DoctorFlags, environment: Environment, report: Report): Promise<readonly URL[]> {
  const options = await readOptions(flags, environment, report);
  if (options === null) return [];
  for (const finding of checkOptions(options)) report.add(finding);
  report.add(checkOpenFiles(options));
  const taken: ListenedPort[] = [];
  for (const port of portsOf(options)) {
    const finding = await checkPort(port);
    if (finding === null) taken.push(port);
    else report.add(finding);
  }
  for (const port of taken) report.add(await checkTaken(port));
  if (options.data !== false) report.add(await checkStore(options.data, taken.length > 0));
  for await (const finding of checkRedis(options)) report.add(finding);
  const urls = taken.flatMap((port) => port.urls);
  if (urls.length === 0)
    report.add(skip('round trips', 'no server is running here; start it and ask again, or name one with -u'));
  return urls;
}

async function readOptions(
  flags: DoctorFlags,
  environment: Environment,
  report: Report,
): Promise<ResolvedServerOptions | null> {
  const file = flags.config ?? readVariable(environment, 'HOOFBEAT_CONFIG');
  const check = `configuration${file === undefined ? '' : ` ${file}`}`;
  try {
    const fromFile = file === undefined ? {} : await readConfigFile(file);
    const options = applyOverrides({ data: DEFAULT_DATA, ...fromFile }, readEnvironment(environment));
    const resolved = resolveServerOptions(options);
    report.add(ok(check, file === undefined ? 'no file; defaults and environment' : 'every option is known and right'));
    return resolved;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    for (const line of error.message.split('\n'))
      report.add(fail(check, line, 'README, Configuration, lists every option'));
    return null;
  }
}

/** What the running server says of itself, where there is a token to ask it. */
async function checkAdmin(flags: DoctorFlags, environment: Environment, report: Report): Promise<void> {
  const check = 'admin API';
  if ((await readToken(flags, environment)) === null) {
    report.add(skip(check, 'no token: set HOOFBEAT_ADMIN_TOKEN to have the running server asked as well'));
    return;
  }
  try {
    const client = await AdminClient.create(flags, environment);
    const { problems, isReady } = await client.get<Health>('/health');
    for (const { part, message } of problems) report.add(fail(`${check}: ${part}`, message));
    if (problems.length === 0)
      report.add(ok(check, isReady ? 'live, ready, no problems' : 'live, and not ready: it drains'));
    const stats = await client.get<Stats>('/stats');
    const { broker } = stats;
    report.add(checkMemory(stats));
    for (const finding of checkWorkers(stats)) report.add(finding);
    const closed = Object.values(broker.closed).reduce((sum, count) => sum + count, 0);
    const late = broker.closed['heart-beat-timeout'] ?? 0;
    if (late > 0 && late >= closed * MANY_TIMEOUTS) {
      report.add(
        warn(
          'heart-beat timeouts',
          `${late} of ${closed} sessions ended because their clients fell silent`,
          'pages in the background are slowed to one timer a minute: let them beat in a worker, or offer none',
        ),
      );
    }
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    report.add(fail(check, error.message));
  }
}

interface Health {
  readonly isReady: boolean;
  readonly problems: readonly { readonly part: string; readonly message: string }[];
}

interface Stats extends ShownProcesses {
  readonly broker: ShownProcesses['broker'] & { readonly closed: Readonly<Record<string, number>> };
}
