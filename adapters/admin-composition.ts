/** The part of the composition root that is the admin API: on a port of its own, or on that of the STOMP endpoints. */
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import type { Broker } from '../broker/broker.js';
import { BrokerError } from '../broker/errors.js';
import type { Authenticator, Clock, ListenAddress } from '../broker/ports.js';
import { composeJwt, loadKeys } from './access.js';
// File by file: what serves HTTP is loaded when somebody opens it, as most servers start without it.
import { AdminAccess } from './admin/admin-access.js';
import { AuditLog } from './admin/audit-log.js';
import { OutboxWatch } from './admin/outbox-watch.js';
import { PageReader } from './admin/paging/page-reader.js';
import type {
  AdjustableLogger,
  AdministeredServer,
  AdminParts,
  AdminPluginOptions,
  AdminServer,
  ConsolePorts,
  VerifyToken,
} from './admin/index.js';
import { readTls } from './listener-composition.js';
import { EventLoopWatch } from './event-loop-watch.js';
import { type AdminTokenOptions, MIN_TOKEN_LENGTH, OptionsError, type ResolvedAdminOptions } from './config/index.js';
import { bindFault } from './listeners.js';
import { attachEndpoints } from './transports/index.js';

export interface AdminPorts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: AdjustableLogger;
  readonly server: AdministeredServer;
  /** Asked about clients. */
  readonly authenticator: Authenticator;
  /** Whether a proxy in front of the STOMP endpoints is believed about the server's own origin. */
  readonly isHttpProxyTrusted: boolean;
}

export interface ComposedAdmin {
  /** Puts the API on the application of the STOMP endpoints; does nothing where it has a port of its own. */
  readonly share: (app: FastifyInstance) => void;
  /**
   * Opens the port, where it has one of its own; null where it has not.
   * @throws OptionsError for a file that cannot be used; Error of one line naming host, port and cause
   */
  readonly open: () => Promise<ListenAddress | null>;
  readonly close: () => Promise<void>;
}

/** @throws OptionsError for a file of a token that cannot be used */
export function composeAdmin(options: ResolvedAdminOptions, ports: AdminPorts): ComposedAdmin {
  const { logger, clock } = ports;
  const verifier =
    options.jwt === null ? null : composeJwt({ ...options.jwt, from: ['authorization'] }, clock, logger, 'admin.jwt');
  const verify: VerifyToken | null = verifier === null ? null : (token) => verified(verifier, token);
  const access = new AdminAccess(options.tokens.map(readToken), verify);
  if (access.isClosed) {
    logger.warn({}, 'the admin API has no token: it serves nothing but whether the server is live and ready');
  }
  const eventLoop = new EventLoopWatch();
  const pages = new PageReader(clock);
  const parts: AdminParts = {
    ...ports,
    access,
    audit: new AuditLog(options.auditEntries, clock, logger),
    pages,
    outboxes: new OutboxWatch(ports.broker.operations, pages, clock),
    eventLoop,
    console: options.console ? composeConsole(options, ports) : null,
  };
  const plugin: AdminPluginOptions = {
    allowedOrigins: options.allowedOrigins,
    rateLimit: options.rateLimit === false ? null : options.rateLimit,
    docs: options.docs,
    metrics: options.metrics,
  };
  let server: AdminServer | null = null;
  return {
    share: (app) => {
      if (options.port !== 'http') return;
      void app.register(async (scope) => {
        const { registerAdmin } = await import('./admin/admin-plugin.js');
        await registerAdmin(scope, parts, plugin);
      });
    },
    open: async () => {
      const { jwt, host, port, trustProxy, requestTimeoutMs } = options;
      if (jwt !== null) await loadKeys(jwt, verifier, 'admin.jwt');
      eventLoop.start();
      if (port === 'http') return null;
      const { tls } = await readTls('admin', options.tls);
      const { AdminServer } = await import('./admin/admin-server.js');
      server = new AdminServer(parts, { ...plugin, host, port, tls, trustProxy, requestTimeoutMs, logger });
      try {
        const address = await server.listen();
        return { transport: tls === undefined ? 'http' : 'https', ...address, endpoints: [], isAdmin: true };
      } catch (error) {
        throw new Error(bindFault(host, port, error), { cause: error });
      }
    },
    close: async () => {
      eventLoop.stop();
      await server?.close();
    },
  };
}

/** The console is of the origin of its page, and of no other. */
function composeConsole(
  { port, trustProxy }: ResolvedAdminOptions,
  { broker, logger, authenticator, isHttpProxyTrusted }: AdminPorts,
): ConsolePorts {
  const isProxyTrusted = port === 'http' ? isHttpProxyTrusted : trustProxy;
  return {
    authenticator,
    openDoor: (server, path, terms) => {
      const endpoint = { path, sockjs: true, trustProxy: isProxyTrusted };
      const attached = attachEndpoints(server, [endpoint], broker.acceptorFor(terms), logger);
      return () => {
        attached.detach();
      };
    },
  };
}

/** A token is looked for where the HTTP request has it. */
async function verified(verifier: ReturnType<typeof composeJwt>, token: string): ReturnType<VerifyToken> {
  const principal = await verifier.identify({
    sessionId: '',
    transport: 'tcp',
    remoteAddress: '',
    login: undefined,
    passcode: undefined,
    headers: new Map(),
    handshake: { url: '/', headers: { authorization: `Bearer ${token}` } },
  });
  if (principal === null) throw new BrokerError('token-invalid', 'The token is malformed');
  return principal;
}

function readToken({ name, role, token, tokenFile }: AdminTokenOptions, index: number) {
  if (tokenFile === undefined) return { name, role, token: token ?? '' };
  const at = `admin.tokens.${index}.tokenFile`;
  let text;
  try {
    text = readFileSync(tokenFile, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new OptionsError([`${at}: got ${JSON.stringify(tokenFile)}, wants a readable file (${String(code)})`]);
  }
  if (text.length >= MIN_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(text)) return { name, role, token: text };
  throw new OptionsError([`${at}: wants a file with at least ${MIN_TOKEN_LENGTH} characters without blanks`]);
}
