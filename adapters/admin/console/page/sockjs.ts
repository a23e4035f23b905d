/** STOMP over SockJS, WebSocket first, to an endpoint beside this page. */
import { Client, type StompConfig } from '@stomp/stompjs';

/** The script of the SockJS client, which knows no modules, leaves it here. */
declare const SockJS: new (
  url: string,
  protocols: null,
  options: { readonly transports: readonly string[] },
) => WebSocket;

const TRANSPORTS = ['websocket', 'xhr-streaming', 'xhr-polling'];

/** @param door `live` or `try` */
export function stompClient(door: 'live' | 'try', config: StompConfig): Client {
  const url = new URL(door, document.baseURI).href;
  const client = new Client(config);
  client.webSocketFactory = () => new SockJS(url, null, { transports: TRANSPORTS });
  return client;
}
