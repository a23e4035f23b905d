/**
 * All five systems in one process, on one port: each is the application it is by itself, under a path of its own, and
 * knows of no other. `/auction/ws` is the auction's `/ws`.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { AuctionHouse } from '../auction/auction-house.js';
import { runDemo } from '../auction/demo.js';
import { createAuctionApp, tellChange } from '../auction/server.js';
import { runDemoJobs } from '../job-status/demo.js';
import { createJobStatusApp } from '../job-status/server.js';
import { Chats } from '../market-chat/chats.js';
import { createMarketChatApp } from '../market-chat/server.js';
import { fillBoard } from '../project-rooms/demo.js';
import { createProjectRoomsApp } from '../project-rooms/server.js';
import { pageOf } from '../shared/page.js';
import { createUserProxyApp } from '../user-proxy/server.js';

/** What the page at `/` says of each. */
const PAGES: Readonly<Record<string, readonly [title: string, what: string]>> = {
  auction: ['Auction', 'Live bidding: SockJS and the old Stomp.over'],
  'job-status': ['Job status', 'Progress of jobs: JSON over WebSocket and SockJS, tokens'],
  'user-proxy': ['User proxy', 'A pool of workers: SockJS, and Python over TCP'],
  'market-chat': ['Market chat', 'Rooms for buyers and sellers: Socket.IO beside REST'],
  'project-rooms': ['Project rooms', 'A task board with presence: JSON envelopes over WebSocket'],
};

export interface AllOptions {
  /** For the workers of user-proxy; false: none. */
  readonly tcpPort: number | false;
  readonly logLevel?: string | undefined;
  /** Signs the tokens of job-status and project-rooms. Default: made up. */
  readonly secret?: string | undefined;
}

export interface AllExamples {
  /** Not listening yet. */
  readonly server: Server;
  readonly close: () => Promise<void>;
}

export async function createAllExamples(options: AllOptions): Promise<AllExamples> {
  const { tcpPort, logLevel = 'info', secret = randomBytes(32).toString('hex') } = options;
  const house = new AuctionHouse();
  const chats = new Chats();
  chats.add({ id: 'clock-42', title: 'Brass carriage clock', members: ['ann', 'bob'] });
  chats.add({ id: 'saddle-7', title: 'Leather saddle', members: ['ann', 'bob'] });
  const auction = await createAuctionApp({ house, logLevel });
  const jobs = await createJobStatusApp({ secret, logLevel, demo: true });
  const proxy = await createUserProxyApp({ tcpPort, logLevel });
  const rooms = await createProjectRoomsApp({ secret, logLevel, demo: true });
  await fillBoard(rooms.board);
  const apps = new Map<string, FastifyInstance>([
    ['auction', auction],
    ['job-status', jobs.app],
    ['user-proxy', proxy.app],
    ['market-chat', await createMarketChatApp({ chats, logLevel })],
    ['project-rooms', rooms.app],
  ]);
  for (const app of apps.values()) await app.ready();
  const stops = [
    runDemo(house, (item) => void tellChange(auction.broker, house, item)),
    runDemoJobs(jobs.notifier, jobs.owners, 'ann'),
  ];
  const server = createFront(apps, await index([...apps.keys()]));
  return {
    server,
    close: async () => {
      for (const stop of stops) stop();
      for (const app of apps.values()) await app.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Hands each request, and each upgrade, to the application whose name its path begins with. */
function createFront(apps: ReadonlyMap<string, FastifyInstance>, page: string): Server {
  const appOf = (request: IncomingMessage): FastifyInstance | undefined => {
    const [, name = '', rest] = /^\/([^/?]+)(\/.*)$/.exec(request.url ?? '') ?? [];
    const app = apps.get(name);
    if (app !== undefined) request.url = rest;
    return app;
  };
  const server = createServer((request, response) => {
    const app = appOf(request);
    if (app !== undefined) {
      app.server.emit('request', request, response);
      return;
    }
    const [, name = ''] = /^\/([^/?]+)$/.exec(request.url ?? '') ?? [];
    if (apps.has(name)) response.writeHead(302, { Location: `/${name}/` }).end();
    else if (request.url === '/') response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
    else response.writeHead(404).end('Not found\n');
  });
  server.on('upgrade', (request, socket, head) => {
    if (appOf(request)?.server.emit('upgrade', request, socket, head) !== true) socket.destroy();
  });
  return server;
}

function index(names: readonly string[]): Promise<string> {
  const cards = names.map((name) => {
    const [title = '', what = ''] = PAGES[name] ?? [];
    return `<li class="card"><h2><a href="${name}/">${title}</a></h2><p class="faint">${what}</p></li>`;
  });
  const head = '<header class="head"><h1>Five systems, one port</h1></header>';
  const main = `${head}<ul class="grid">${cards.join('')}</ul>`;
  return pageOf({ title: 'hoofbeat: examples', main, scripts: [], base: 'auction/' });
}
