/**
 * hoofbeat with what a real server has: rules about who may do what, names for its users, heart-beats; otherwise with its
 * defaults, but for long backlogs. Arguments: `plain` leaves the rules out, `traced` registers
 * a tracer provider that keeps nothing, `--data=` is a directory for messages that are stored,
 * `--redis=` makes it a node of the cluster at that URL.
 */
import { parseArgs } from 'node:util';
import { trace, TraceFlags } from '@opentelemetry/api';
import { createStompServer, type ServerOptions } from '../../adapters/index.js';
import { serveParent } from './server-process.js';

const { values: flags, positionals } = parseArgs({
  options: { data: { type: 'string' }, redis: { type: 'string' } },
  allowPositionals: true,
});

const AUTH: ServerOptions['auth'] = {
  anonymous: true,
  trustedHeader: { name: 'x-user-id', from: 'connect' },
  rules: [
    { action: 'connect', allow: true },
    { action: 'subscribe', destination: '/topic/admin/**', roles: ['admin'], allow: true },
    { destination: '/topic/admin/**', allow: false },
    { action: 'send', destination: ['/app/**', '/topic/**', '/queue/**'], allow: true },
    { action: 'subscribe', destination: ['/topic/**', '/queue/**', '/user/queue/**'], allow: true },
  ],
};

if (positionals.includes('traced')) {
  const spanContext = { traceId: 'f'.repeat(32), spanId: 'f'.repeat(16), traceFlags: TraceFlags.NONE };
  const startSpan = () => trace.wrapSpanContext(spanContext);
  const startActiveSpan = (): never => {
    throw new Error('hoofbeat does not ask for it');
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan }) });
}

const server = createStompServer({
  http: { port: 0 },
  tcp: { port: 0 },
  log: { level: 'error' },
  data: flags.data ?? false,
  ...(flags.redis === undefined ? {} : { relay: { type: 'redis', url: flags.redis } }),
  // Room for everything a bench publishes without a consumer; the defaults refuse before.
  broker: { queueDefaults: { maxMessages: 10_000_000, maxBytes: 4_000_000_000 } },
  ...(positionals.includes('plain') ? {} : { auth: AUTH }),
});
server.broker.message('/echo', ({ payload }) => payload, { sendToUser: '/queue/replies', broadcast: false });
server.broker.message('/notify/{from}/{count}', async ({ payload, variables }) => {
  const from = Number(variables.from);
  for (let k = from; k < from + Number(variables.count); k++) {
    // Resolved when it is handed over; the last one stands for all.
    const sent = server.broker.convertAndSendToUser(`u${k}`, '/queue/notices', payload);
    if (k === from + Number(variables.count) - 1) await sent;
  }
});
const addresses = await server.start();
const portOf = (transport: string): number => addresses.find((address) => address.transport === transport)?.port ?? 0;
serveParent({ tcpPort: portOf('tcp'), httpPort: portOf('http') });
