/** What can be seen of a server through one of its URLs, proxies in between included. */
import { WebSocket } from 'ws';
import type { ClientTrust } from '../client-connection.js';
import { fail, type Finding, ok, skip, warn } from './finding.js';
import { type RoundTrip, roundTrip, type RoundTripOptions, type Way, WAY_NAMES, waysOf } from './round-trip.js';

export interface UrlChecksOptions extends ClientTrust {
  readonly url: URL;
  readonly login?: string | undefined;
  readonly passcode?: string | undefined;
  readonly hostHeader?: string | undefined;
  readonly destination: string;
  readonly timeoutMs: number;
  /** Of silence, to find out who cuts idle connections; 0: not asked. */
  readonly idleSeconds: number;
}

/** How long is waited for what a server that forgives nothing never answers. */
const CUT_NUL_TIMEOUT_MS = 2_000;
/** A slow line is no fault; this is. */
const SLOW_MS = 500;
/** nginx `proxy_read_timeout`, HAProxy's customary `timeout client`, AWS load balancers: nobody is more patient unasked. */
const PROXY_IDLE_MS = 60_000;
/** Browsers wake the timers of a page in the background once a minute. */
const BACKGROUND_TIMER_MS = 60_000;

/** @throws nothing: what goes wrong is a finding */
export async function* checkUrl(options: UrlChecksOptions): AsyncGenerator<Finding> {
  const { url } = options;
  const isHttp = url.protocol.startsWith('http');
  if (isHttp) yield await checkInfo(options);
  const trips: [Way, RoundTrip][] = [];
  for (const way of waysOf(url)) {
    const found = await checkWay({ ...options, way });
    yield found.finding;
    if (found.trip !== null) trips.push([way, found.trip]);
  }
  const [first] = trips;
  if (first === undefined) return;
  const webSocket = trips.find(([way]) => way === 'websocket');
  if (webSocket !== undefined) {
    yield await checkOrigin(options);
    yield await checkCutNul(options, webSocket[1]);
  }
  yield* checkHeartBeat(nameOf(url), first[1], isHttp || url.protocol.startsWith('ws'));
  yield* checkIdle(options, first[0]);
}

async function checkWay(
  options: UrlChecksOptions & { readonly way: Way },
): Promise<{ readonly finding: Finding; readonly trip: RoundTrip | null }> {
  const check = `${WAY_NAMES[options.way]} ${nameOf(options.url)}`;
  try {
    const trip = await roundTrip(options);
    const times = `connected in ${ms(trip.connectMs)}, round trip ${ms(trip.roundTripMs)}`;
    if (!trip.hasNuls) {
      const advice = 'something in between rewrites messages: let it pass WebSocket frames as they are';
      return { finding: fail(check, `${times}, but messages arrive without their final NUL`, advice), trip };
    }
    const by = trip.server === undefined ? '' : `, ${trip.server}`;
    const isSlow = trip.roundTripMs > SLOW_MS;
    const advice = 'the line is slow, or something in between gathers answers before it passes them on';
    return { finding: isSlow ? warn(check, times, advice) : ok(check, `${times}${by}`), trip };
  } catch (error) {
    const text = (error as Error).message.split('\n')[0] ?? '';
    return { finding: fail(check, text, adviceOf(options.way, text)), trip: null };
  }
}

/** What usually stands behind a fault. */
function adviceOf(way: Way, text: string): string | undefined {
  if (/ECONNREFUSED/.test(text)) return 'start the server, or name the port that it listens on';
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return 'the host name is unknown here: look at DNS';
  if (/certificate|self-signed|issuer/i.test(text)) return 'name the authority with --cafile';
  if (/authentication|login|anonymous|credentials|passcode/i.test(text)) return 'give --login and HOOFBEAT_PASSCODE';
  if (/Not allowed/i.test(text)) return 'auth.rules do not let this user there: name another with --destination';
  if (way === 'xhr-streaming' && /no (CONNECTED|MESSAGE|RECEIPT)/.test(text)) {
    return 'a proxy gathers the response: nginx wants `proxy_buffering off`';
  }
  if (way.startsWith('xhr') && /answered 404|a second time/.test(text)) {
    return 'requests of one session reach different nodes, or the endpoint has no SockJS: make the balancer sticky by path';
  }
  if (way.startsWith('xhr') && /answered 403/.test(text)) return 'allow the origin: http.endpoints.allowedOrigins';
  if (/Unexpected server response: (400|404|426|502)/.test(text)) {
    return 'the upgrade does not get through, or the path is another: nginx wants `proxy_http_version 1.1` and the headers Upgrade and Connection';
  }
  if (/socket hang up|ECONNRESET|does not speak STOMP/.test(text))
    return 'is that a STOMP server, and TLS on both sides or none?';
  return undefined;
}

/** `GET <endpoint>/info` is what every SockJS client begins with. */
async function checkInfo({ url, timeoutMs }: UrlChecksOptions): Promise<Finding> {
  const check = `SockJS info ${nameOf(url)}`;
  const address = `${url.origin}${url.pathname.replace(/\/$/, '')}/info`;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) });
    if (response.status === 404) return skip(check, 'answered 404: no SockJS there');
    if (!response.ok) return fail(check, `answered ${response.status}`, 'is the path that of an endpoint?');
    const info = (await response.json()) as { readonly websocket?: boolean };
    const via = response.headers.get('via') ?? proxyOf(response.headers.get('server'));
    const behind = via === null ? '' : `, behind ${via}`;
    if (/max-age=[1-9]|public/.test(response.headers.get('cache-control') ?? '')) {
      return warn(check, `may be cached${behind}`, 'clients need it fresh: let the proxy pass Cache-Control');
    }
    if (info.websocket !== true) return ok(check, `answered, without WebSocket${behind}`);
    return ok(check, `answered${behind}`);
  } catch (error) {
    const { message, cause, name } = error as Error;
    const why = name === 'TimeoutError' ? 'no answer in time' : cause instanceof Error ? cause.message : message;
    return fail(check, why === '' ? 'nobody answers' : why, adviceOf('websocket', why));
  }
}

function proxyOf(server: string | null): string | null {
  return server !== null && /nginx|haproxy|apache|caddy|envoy|cloudflare|awselb|traefik/i.test(server) ? server : null;
}

/** Whether a page that was loaded from this very host may connect: what a proxy must pass on for that is easily forgotten. */
async function checkOrigin({ url, timeoutMs, ca }: UrlChecksOptions): Promise<Finding> {
  const { origin } = new URL(url.href.replace(/^ws/, 'http'));
  const check = `origin ${origin}`;
  const status = await new Promise<string>((resolve) => {
    const socket = new WebSocket(url.href.replace(/^http/, 'ws'), ['v12.stomp'], {
      origin,
      handshakeTimeout: timeoutMs,
      ...(ca === undefined ? {} : { ca }),
    });
    socket.on('open', () => {
      socket.close();
      resolve('');
    });
    socket.on('error', (error) => {
      resolve(error.message);
    });
  });
  if (status === '') return ok(check, 'pages of this host may connect');
  if (!/403/.test(status)) return fail(check, status);
  return fail(
    check,
    'pages of this host are refused (403)',
    'let the proxy pass Host and X-Forwarded-Proto and set trustProxy on the endpoint, or list it in allowedOrigins',
  );
}

/** React Native and some gateways end a WebSocket message before the NUL; a server that waits for it waits for ever. */
async function checkCutNul(options: UrlChecksOptions, { hasNuls }: RoundTrip): Promise<Finding> {
  const check = `cut NUL ${nameOf(options.url)}`;
  if (!hasNuls) return skip(check, 'messages to here are cut already');
  try {
    const timeoutMs = Math.min(options.timeoutMs, CUT_NUL_TIMEOUT_MS);
    await roundTrip({ ...options, way: 'websocket', timeoutMs, cutsNul: true } satisfies RoundTripOptions);
    return ok(check, 'frames of clients that drop the final NUL are understood');
  } catch {
    return warn(
      check,
      'a client that drops the final NUL (React Native does) is never answered',
      'set lenientNul: true on the endpoint, or appendMissingNULLonIncoming and forceBinaryWSFrames in @stomp/stompjs',
    );
  }
}

/** What was offered, against what proxies and browsers do to it. */
function* checkHeartBeat(name: string, { heartBeat }: RoundTrip, hasPages: boolean): Generator<Finding> {
  const [sendMs = 0, receiveMs = 0] = (heartBeat ?? '').split(',').map(Number);
  const check = `heart-beat ${name}`;
  if (sendMs === 0) {
    const advice = 'set broker.heartBeat.sendMs, e.g. 10000';
    yield warn(check, 'the server offers none: proxies cut idle connections, and dead ones stay', advice);
  } else if (sendMs >= PROXY_IDLE_MS) {
    const advice = `set broker.heartBeat.sendMs well below, or raise the proxy's timeout (nginx proxy_read_timeout)`;
    yield warn(check, `every ${ms(sendMs)}: proxies cut after 60 s of silence unless told otherwise`, advice);
  } else {
    yield ok(check, `every ${ms(sendMs)} from the server, well within the 60 s after which proxies cut what is idle`);
  }
  if (hasPages && receiveMs > 0 && receiveMs < BACKGROUND_TIMER_MS) {
    yield ok(
      `throttled ${name}`,
      `clients are to send every ${ms(receiveMs)}; browsers slow a background page to one timer a minute, which would end ` +
        `its session: let it beat in a worker (heartbeatStrategy of @stomp/stompjs) or offer none (heartbeatOutgoing: 0)`,
    );
  }
}

/** Says nothing on a connection, and looks whether it lives. */
async function* checkIdle(options: UrlChecksOptions, way: Way): AsyncGenerator<Finding> {
  const { idleSeconds, url } = options;
  const check = `silence ${nameOf(url)}`;
  if (idleSeconds === 0) {
    yield skip(check, 'not asked; --idle 90 looks for proxies that cut idle connections');
    return;
  }
  const webUrl = url.href.replace(/^http/, 'ws');
  if (way === 'tcp') {
    yield skip(check, 'looked at over WebSocket alone');
    return;
  }
  const began = performance.now();
  const end = await new Promise<string | null>((resolve) => {
    const { ca } = options;
    const socket = new WebSocket(webUrl, ['v12.stomp'], { ...(ca === undefined ? {} : { ca }) });
    const timer = setTimeout(() => {
      resolve(null);
      socket.terminate();
    }, idleSeconds * 1_000);
    socket.on('open', () => {
      const { login, passcode, hostHeader } = options;
      const lines = [`accept-version:1.2`, `host:${hostHeader ?? url.hostname}`, 'heart-beat:0,0'];
      if (login !== undefined) lines.push(`login:${login}`);
      if (passcode !== undefined) lines.push(`passcode:${passcode}`);
      socket.send(`CONNECT\n${lines.join('\n')}\n\n\0`);
    });
    const gone = (why: string): void => {
      clearTimeout(timer);
      resolve(why);
    };
    socket.on('error', (error) => {
      gone(error.message);
    });
    socket.on('close', (code) => {
      gone(`close code ${code}`);
    });
  });
  const seconds = (performance.now() - began) / 1_000;
  if (end === null) yield ok(check, `a connection without heart-beats lives for ${idleSeconds} s and longer`);
  else {
    const advice = 'raise its timeout, and keep heart-beats at half of that or less';
    yield warn(check, `a silent connection is cut after ${seconds.toFixed(1)} s (${end})`, advice);
  }
}

/** Never the whole URL: it may hold a passcode. */
function nameOf({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

function ms(value: number): string {
  return value >= 1_000 ? `${Math.round(value / 100) / 10} s` : `${value.toFixed(1)} ms`;
}
