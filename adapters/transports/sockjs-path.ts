/**
 * The paths below a SockJS endpoint (K-01 to K-06, K-22).
 */

/** Requests that bring a session something to send on, and how the broker calls sessions that begin with them. */
export const RECEIVING = {
  xhr: 'sockjs-xhr-polling',
  xhr_streaming: 'sockjs-xhr-streaming',
  eventsource: 'sockjs-eventsource',
  htmlfile: 'sockjs-htmlfile',
  jsonp: 'sockjs-jsonp',
} as const;

export type Receiving = keyof typeof RECEIVING;
export type Sending = 'xhr_send' | 'jsonp_send';

export type SockJsPath =
  | { readonly kind: 'greeting' | 'info' | 'iframe' | 'raw-websocket' | 'chunking-test' }
  | { readonly kind: 'websocket'; readonly session: string }
  | { readonly kind: 'receive'; readonly session: string; readonly transport: Receiving }
  | { readonly kind: 'send'; readonly session: string; readonly transport: Sending };

/** @param rest what follows the endpoint's own path, undecoded; null when nothing is served there */
export function parseSockJsPath(rest: string): SockJsPath | null {
  if (rest === '' || rest === '/') return { kind: 'greeting' };
  const path = rest.endsWith('/') ? rest.slice(0, -1) : rest;
  if (/^\/iframe[0-9-.a-z_]*\.html$/.test(path)) return { kind: 'iframe' };
  switch (path) {
    case '/info':
      return { kind: 'info' };
    case '/websocket':
      return { kind: 'raw-websocket' };
    case '/chunking_test':
      return { kind: 'chunking-test' };
  }
  const match = /^\/[^/.]+\/([^/.]+)\/([a-z_]+)$/.exec(path);
  return match === null ? null : sessionPath(match[1] ?? '', match[2] ?? '');
}

function sessionPath(session: string, transport: string): SockJsPath | null {
  if (transport === 'websocket') return { kind: 'websocket', session };
  if (transport === 'xhr_send' || transport === 'jsonp_send') return { kind: 'send', session, transport };
  return isReceiving(transport) ? { kind: 'receive', session, transport } : null;
}

function isReceiving(transport: string): transport is Receiving {
  return Object.hasOwn(RECEIVING, transport);
}
