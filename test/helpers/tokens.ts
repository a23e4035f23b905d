/** Signed tokens and the keys behind them, made for each test; and a tiny server that hands out keys. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose';
import type { Test } from 'tap';
import type { ConnectRequest, Handshake, Logger } from '../../broker/ports.js';
import type { LogLine } from './broker-fixture.js';

type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'] | Uint8Array;

export const SECRET = 'a secret of more than thirty-two octets';

/** One signer: signs tokens, shows its public key. */
export class Signer {
  readonly alg: string;
  readonly kid: string;
  readonly jwk: JWK;
  readonly pem: string;
  readonly #key: SigningKey;

  private constructor(alg: string, kid: string, key: SigningKey, jwk: JWK, pem: string) {
    this.alg = alg;
    this.kid = kid;
    this.jwk = { ...jwk, kid, alg, use: 'sig' };
    this.pem = pem;
    this.#key = key;
  }

  static async make(alg = 'ES256', kid = 'key-1'): Promise<Signer> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return new Signer(alg, kid, privateKey, await exportJWK(publicKey), await exportSPKI(publicKey));
  }

  /** @param header over what the signer would say of itself */
  sign(claims: JWTPayload, header: Readonly<Record<string, string>> = {}): Promise<string> {
    return new SignJWT(claims).setProtectedHeader({ alg: this.alg, kid: this.kid, ...header }).sign(this.#key);
  }
}

export function signWithSecret(
  claims: JWTPayload,
  secret: string | Uint8Array = SECRET,
  alg = 'HS256',
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(Buffer.from(secret));
}

/** A JWKS URL on a free port. */
export class KeyServer {
  keys: readonly JWK[];
  /** Answered instead of the keys. */
  status = 200;
  requests = 0;
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, port: number, keys: readonly JWK[]) {
    this.#server = server;
    this.port = port;
    this.keys = keys;
  }

  /** @param port 0 picks a free one */
  static async start(t: Test, keys: readonly JWK[], port = 0): Promise<KeyServer> {
    const server = createServer((_request, response) => {
      started.requests++;
      response.writeHead(started.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: started.keys }));
    });
    server.keepAliveTimeout = 1;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const started = new KeyServer(server, (server.address() as AddressInfo).port, keys);
    t.teardown(() => started.stop());
    return started;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/keys?secret=of-the-url`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** What a client shows at CONNECT. */
export function connectRequest(
  headers: Readonly<Record<string, string>> = {},
  handshake: Handshake | null = null,
): ConnectRequest {
  return {
    sessionId: 's',
    transport: handshake === null ? 'tcp' : 'websocket',
    remoteAddress: '127.0.0.1',
    login: headers['login'],
    passcode: headers['passcode'],
    headers: new Map(Object.entries(headers)),
    handshake,
  };
}

/** A logger that keeps its lines. */
export function recordingLogger(log: LogLine[]): Logger {
  const record = (level: string) => (fields: object, message: string) => {
    log.push({ level, message, fields: fields as Record<string, unknown> });
  };
  return {
    level: 'info',
    debug: () => undefined,
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
  };
}
