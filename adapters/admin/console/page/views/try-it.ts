/** Connects as a client would, with that client's rights: subscribe, send, see the frames as they are on the wire. */
import type { Client, StompSubscription } from '@stomp/stompjs';
import { useEffect, useState } from 'preact/hooks';
import { token } from '../api.js';
import { FrameLog, type SeenFrame, withFrames } from '../frame-log.js';
import { fieldsOf, html, type Shown } from '../html.js';
import { parseHeaders } from '../parts/header-lines.js';
import { stompClient } from '../sockjs.js';

type Phase = 'off' | 'connecting' | 'on';

/** Outlives a look at another view: a try is not over because somebody looks at its queue. */
class Try {
  phase: Phase = 'off';
  who = '';
  frames: readonly SeenFrame[] = [];
  readonly subscriptions = new Map<string, StompSubscription>();
  onChange: (() => void) | null = null;
  #client: Client | null = null;
  #number = 0;

  connect(login: string, passcode: string, headers: Readonly<Record<string, string>>): void {
    this.phase = 'connecting';
    this.who = login === '' ? 'anonymous' : login;
    const client = stompClient('try', {
      connectHeaders: {
        ...headers,
        ...(login === '' ? {} : { login, passcode }),
        'admin-token': token() ?? '',
      },
      reconnectDelay: 0,
      logRawCommunication: true,
      debug: (line) => {
        this.#see(line);
      },
      onConnect: () => {
        this.phase = 'on';
        this.onChange?.();
      },
      onWebSocketClose: () => {
        if (this.#client === client) this.#end();
      },
    });
    this.#client = client;
    client.activate();
    this.onChange?.();
  }

  disconnect(): void {
    void this.#client?.deactivate();
  }

  subscribe(destination: string, headers: Readonly<Record<string, string>>): void {
    if (this.#client?.connected !== true || this.subscriptions.has(destination)) return;
    // What arrives is seen as a frame.
    this.subscriptions.set(
      destination,
      this.#client.subscribe(destination, () => undefined, headers),
    );
    this.onChange?.();
  }

  unsubscribe(destination: string): void {
    this.subscriptions.get(destination)?.unsubscribe();
    this.subscriptions.delete(destination);
    this.onChange?.();
  }

  send(destination: string, body: string, headers: Readonly<Record<string, string>>): void {
    if (this.#client?.connected === true) this.#client.publish({ destination, body, headers });
  }

  clear(): void {
    this.frames = [];
    this.onChange?.();
  }

  #end(): void {
    this.#client = null;
    this.phase = 'off';
    this.subscriptions.clear();
    this.#add({ direction: 'note', title: 'The connection is closed', text: '' });
  }

  /** Lines of stompjs: `>>> ` and `<<< ` stand in front of frames, everything else is its own talk. */
  #see(line: string): void {
    const isOut = line.startsWith('<<< ');
    if (!isOut && !line.startsWith('>>> ')) return;
    const frame = line.slice(4).replace(/\0$/, '').trimEnd();
    if (frame === '' || frame === 'PING' || frame === 'PONG') return;
    const [title = '', ...rest] = frame.split('\n');
    const text = rest.map((each) => each.replace(/^(passcode|admin-token|authorization):.*/i, '$1:***')).join('\n');
    this.#add({ direction: isOut ? 'out' : 'in', title, text });
  }

  #add(frame: Omit<SeenFrame, 'number' | 'at'>): void {
    this.frames = withFrames(this.frames, [{ ...frame, number: ++this.#number, at: Date.now() }]);
    this.onChange?.();
  }
}

const tried = new Try();

export function TryItView(): Shown {
  const [, redraw] = useState(0);
  useEffect(() => {
    tried.onChange = () => {
      redraw((count) => count + 1);
    };
    return () => {
      tried.onChange = null;
    };
  }, []);
  return html`<div class="columns">
    <div class="messages">
      <${ConnectCard} phase=${tried.phase} />
      ${tried.phase === 'on' && [html`<${SubscribeCard} key="subscribe" />`, html`<${SendCard} key="send" />`]}
    </div>
    <section class="card">
      <div class="head">
        <h2>Frames</h2>
        <button
          onClick=${() => {
            tried.clear();
          }}
        >
          Clear
        </button>
      </div>
      <${FrameLog} label="Frames on the wire" frames=${tried.frames} />
    </section>
  </div>`;
}

function ConnectCard({ phase }: { readonly phase: Phase }): Shown {
  if (phase !== 'off') {
    return html`<section class="card">
      <div class="head">
        <h2>${phase === 'on' ? `Connected as ${tried.who}` : 'Connecting…'}</h2>
        <button
          onClick=${() => {
            tried.disconnect();
          }}
        >
          Disconnect
        </button>
      </div>
    </section>`;
  }
  const submit = (event: Event): void => {
    const { login = '', passcode = '', headers = '' } = fieldsOf(event);
    tried.connect(login.trim(), passcode, parseHeaders(headers));
  };
  return html`<form class="card" aria-label="Connect" onSubmit=${submit}>
    <h2>Connect as a client</h2>
    <p class="hint">
      With the rights of that client and no others; the server asks for its credentials as it asks everybody. Leave the
      fields empty to come as nobody.
    </p>
    <div class="fields">
      <div>
        <label for="try-login">Login</label>
        <input id="try-login" name="login" autocomplete="off" spellcheck=${false} />
      </div>
      <div>
        <label for="try-passcode">Passcode</label>
        <input id="try-passcode" name="passcode" type="password" autocomplete="off" />
      </div>
      <div class="wide">
        <label for="try-headers">Further headers of CONNECT, one a line (name: value)</label>
        <textarea id="try-headers" name="headers" rows="2" spellcheck=${false}></textarea>
      </div>
      <button class="primary">Connect</button>
    </div>
  </form>`;
}

function SubscribeCard(): Shown {
  const submit = (event: Event): void => {
    const { destination = '', headers = '' } = fieldsOf(event);
    tried.subscribe(destination.trim(), parseHeaders(headers));
  };
  return html`<form class="card" aria-label="Subscribe" onSubmit=${submit}>
    <h2>Subscribe</h2>
    <div class="fields">
      <div class="wide">
        <label for="try-subscribe">Destination or pattern</label>
        <input id="try-subscribe" name="destination" required spellcheck=${false} placeholder="/topic/news" />
      </div>
      <div class="wide">
        <label for="try-subscribe-headers">Further headers, one a line (name: value)</label>
        <textarea id="try-subscribe-headers" name="headers" rows="1" spellcheck=${false}></textarea>
      </div>
      <button>Subscribe</button>
    </div>
    <ul class="events">
      ${[...tried.subscriptions.keys()].map(
        (destination) =>
          html`<li key=${destination} class="buttons">
            <code>${destination}</code>
            <button
              type="button"
              class="small"
              aria-label=${`Unsubscribe from ${destination}`}
              onClick=${() => {
                tried.unsubscribe(destination);
              }}
            >
              Unsubscribe
            </button>
          </li>`,
      )}
    </ul>
  </form>`;
}

function SendCard(): Shown {
  const submit = (event: Event): void => {
    const { destination = '', headers = '', body = '' } = fieldsOf(event);
    tried.send(destination.trim(), body, parseHeaders(headers));
  };
  return html`<form class="card" aria-label="Send" onSubmit=${submit}>
    <h2>Send</h2>
    <div class="fields">
      <div class="wide">
        <label for="try-send">Destination</label>
        <input id="try-send" name="destination" required spellcheck=${false} placeholder="/app/hello" />
      </div>
      <div class="wide">
        <label for="try-send-body">Body</label>
        <textarea id="try-send-body" name="body" rows="3"></textarea>
      </div>
      <div class="wide">
        <label for="try-send-headers">Further headers, one a line (name: value)</label>
        <textarea id="try-send-headers" name="headers" rows="1" spellcheck=${false}></textarea>
      </div>
      <button class="primary">Send</button>
    </div>
  </form>`;
}
