// A server that is short of memory, as clients, load balancers and operators see it over HTTP.
import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import t from 'tap';
import { inTime } from '../../helpers/inbox.js';
import { startAdmin } from '../../helpers/admin.js';
import { ScriptedMemory } from '../../helpers/scripted-memory.js';
import { type Answer, http } from '../../helpers/sockjs-http.js';
import { until } from '../../helpers/until.js';

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
};

function upgrade(url: string): Promise<Answer> {
  const opened = new Promise<Answer>((resolve, reject) => {
    const asked = request(url, { headers: UPGRADE, agent: false });
    asked.on('upgrade', ({ statusCode = 0, headers }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers, text: '' });
    });
    asked.on('response', (response) => {
      const { statusCode: status = 0, headers } = response;
      void textOf(response).then((text) => {
        resolve({ status, headers, text });
      }, reject);
    });
    asked.on('error', reject);
    asked.end();
  });
  return inTime(opened, `the answer to an upgrade of ${url}`);
}

/** A few are let in each second. */
async function untilRefused(attempt: () => Promise<Answer>): Promise<Answer> {
  let answer = await attempt();
  for (let k = 0; k < 50 && answer.status !== 503; k++) answer = await attempt();
  return answer;
}

t.test('it answers 503 with Retry-After, is not ready, and says why', async (t) => {
  const memory = new ScriptedMemory();
  const { server, httpPort, ask } = await startAdmin(t, {}, {}, { memory });
  const isReady = async (): Promise<boolean> => (await ask('GET', '/health/ready')).status === 200;
  t.ok(await isReady());
  memory.heapPart = 0.92;
  await until('memory to be noticed', async () => !(await isReady()));
  const base = `http://127.0.0.1:${httpPort}`;
  const attempts: Record<string, () => Promise<Answer>> = {
    '/ws': () => upgrade(`${base}/ws`),
    '/ws/websocket': () => upgrade(`${base}/ws/websocket`),
    '/ws/000/…/websocket': () => upgrade(`${base}/ws/000/abc/websocket`),
    '/ws/000/…/xhr': () => http('POST', `${base}/ws/000/${Math.random().toString(36).slice(2)}/xhr`),
  };
  for (const [path, attempt] of Object.entries(attempts)) {
    const { status, headers, text } = await untilRefused(attempt);
    t.equal(status, 503, path);
    t.equal(headers['retry-after'], '5');
    t.equal(text, 'The server is short of memory; connect again later.\n');
  }
  t.match((await ask('GET', '/health')).body, {
    isLive: true,
    isReady: false,
    isDegraded: true,
    problems: [{ part: 'memory', code: 'memory-low', message: 'Memory is short: publishers are paused' }],
  });
  t.match((await ask('GET', '/stats')).body, {
    broker: { memory: { stage: 2, heapBytes: Number, held: { queues: 0 } } },
  });
  const metrics = (await ask('GET', '//metrics')).text;
  t.match(metrics, 'hoofbeat_problem{part="memory"} 1');
  t.match(metrics, 'hoofbeat_memory_stage 2');
  t.match(metrics, /hoofbeat_memory_used_bytes\{of="heap"\} 736000000/);
  t.match(metrics, /hoofbeat_memory_budget_bytes\{of="total"\} 3200000000/);
  t.match(metrics, 'hoofbeat_memory_held_bytes{kind="outboxes"} 0');
  memory.heapPart = 0.2;
  await until('it to be over', isReady);
  t.equal((await upgrade(`${base}/ws`)).status, 101);
  t.ok(server.broker.health().isOk);
});
