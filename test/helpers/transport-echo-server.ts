/**
 * The WebSocket and SockJS code without STOMP, laid out as the SockJS protocol tests and WebSocket conformance suites
 * expect. Run it with `npm run echo-server -- --port 8081`.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { closeReason, type CloseReason } from '../../broker/close-reason.js';
import type { AcceptConnection, Connection, ConnectionListener, Logger } from '../../broker/ports.js';
import { attachEndpoints, type EndpointOptions, type SockJsOptions } from '../../adapters/transports/index.js';

export interface EchoServer {
  readonly server: Server;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export interface EchoServerOptions {
  readonly port?: number;
  /** Added to the options of every SockJS endpoint. */
  readonly sockjs?: SockJsOptions;
  /** Added to the options of every endpoint. */
  readonly endpoint?: Partial<EndpointOptions>;
}

const SILENT: Logger = { level: 'silent', debug() {}, info() {}, warn() {}, error() {} };

/** Writes one message as the broker writes a frame: through the connection's framing, in one piece. */
export function sendMessage(connection: Connection, message: Uint8Array, text: boolean): void {
  const { framing } = connection;
  const octets = framing.encode === null ? message : framing.encode(message);
  const target = Buffer.allocUnsafe(framing.maxOverheadBytes + octets.length);
  const start = framing.open(target, 0, octets.length, text);
  target.set(octets, start);
  const end = framing.close(target, start + octets.length);
  connection.write(target.subarray(0, end));
}

/**
 * One call of onBytes is one message here: these transports never cut one. On WebSocket the flag tells text from binary;
 * SockJS knows text only.
 */
function messageListener(
  connection: Connection,
  onMessage: (message: Buffer, text: boolean) => void,
  onClose: () => void = () => undefined,
): ConnectionListener {
  const isTextOnly = connection.transport !== 'websocket';
  return {
    onBytes(chunk, endsMessage) {
      onMessage(chunk, isTextOnly || endsMessage);
    },
    onDrain() {
      // Conformance suites read what they asked for.
    },
    onClose,
  };
}

const echo: AcceptConnection = (connection) =>
  messageListener(connection, (message, text) => {
    sendMessage(connection, message, text);
  });

const GO_AWAY: CloseReason = { ...closeReason('client-disconnected'), webSocketStatus: 3000, text: 'Go away!' };

const closeAtOnce: AcceptConnection = (connection) => {
  connection.close(GO_AWAY);
  return messageListener(connection, () => undefined);
};

const amplify: AcceptConnection = (connection) =>
  messageListener(connection, (message) => {
    const given = Math.floor(Number(message.toString()));
    const exponent = given > 0 && given < 19 ? given : 1;
    sendMessage(connection, Buffer.alloc(2 ** exponent, 'x'), true);
  });

function broadcaster(): AcceptConnection {
  const all = new Set<Connection>();
  return (connection) => {
    all.add(connection);
    return messageListener(
      connection,
      (message) => {
        for (const each of all) sendMessage(each, message, true);
      },
      () => all.delete(connection),
    );
  };
}

/** Starts the server on loopback. Listens on a free port unless told otherwise. */
export async function startEchoServer(options: EchoServerOptions = {}): Promise<EchoServer> {
  const server = createServer((_request, response) => {
    response.writeHead(404, { 'Content-Type': 'text/plain' });
    response.end('not an endpoint\n');
  });
  const sockjs = (own: SockJsOptions = {}): Partial<EndpointOptions> => ({
    sockjs: { responseLimitBytes: 4096, text: 'code-units', ...own, ...options.sockjs },
  });
  const mount = (path: string, accept: AcceptConnection, own: Partial<EndpointOptions> = {}) => {
    const endpoint = { path, allowedOrigins: ['*'], typedLines: false, ...own, ...options.endpoint };
    return attachEndpoints(server, [endpoint], accept, SILENT);
  };
  const mounted = [
    mount('/echo', echo, sockjs()),
    mount('/disabled_websocket_echo', echo, sockjs({ websocket: false })),
    mount('/cookie_needed_echo', echo, sockjs({ sessionCookie: true })),
    mount('/close', closeAtOnce, sockjs()),
    mount('/amplify', amplify, sockjs()),
    mount('/broadcast', broadcaster(), sockjs()),
    mount('/ws-echo', echo),
    mount('/', echo),
  ];
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    url: `http://127.0.0.1:${String(port)}`,
    close: () =>
      new Promise((resolve) => {
        for (const each of mounted) each.detach();
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--port');
  const port = at === -1 ? 8081 : Number(process.argv[at + 1]);
  const { url } = await startEchoServer({ port });
  console.log(`echo server: ${url}`);
}
