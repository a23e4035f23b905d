import { spawnSync } from 'node:child_process';
import t from 'tap';
import { startAdmin } from '../../helpers/admin.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';

function valueOf(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? NaN);
}

t.test('metrics are for viewers, or for everybody, or not there', async (t) => {
  const { ask } = await startAdmin(t);
  t.match((await ask('GET', '//metrics', { as: null })).body, { code: 'token-missing' });
  const { status, headers } = await ask('GET', '//metrics', { as: 'viewer' });
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const open = await startAdmin(t, { metrics: 'open', tokens: [] });
  t.equal((await open.ask('GET', '//metrics', { as: null })).status, 200);
  t.equal((await open.ask('GET', '/stats', { as: null })).status, 404);
  const none = await startAdmin(t, { metrics: false });
  t.equal((await none.ask('GET', '//metrics')).status, 404);
});

t.test('they say what the broker counts', async (t) => {
  const { ask, tcpPort, server } = await startAdmin(t);
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect();
  await client.subscribe('/topic/t');
  for (let k = 0; k < 100; k++) {
    client.sendFrame('SEND', { destination: '/topic/t' }, 'x');
    await client.frame('MESSAGE');
  }
  await server.broker.convertAndSend('/queue/DLQ', 'dead');
  const first = (await ask('GET', '//metrics')).text;
  t.equal(valueOf(first, 'hoofbeat_connections{transport="tcp"}'), 1);
  t.equal(valueOf(first, 'hoofbeat_handshakes_total{command="CONNECTED"}'), 1);
  t.equal(valueOf(first, 'hoofbeat_messages_received_total'), 101);
  t.equal(valueOf(first, 'hoofbeat_subscriptions'), 1);
  t.equal(valueOf(first, 'hoofbeat_dead_letters{queue="/queue/DLQ"}'), 1);
  t.equal(valueOf(first, 'hoofbeat_accepting'), 1);
  t.equal(valueOf(first, 'hoofbeat_problem{part="store"}'), 0);
  t.ok(valueOf(first, 'hoofbeat_outbox_bytes_count') >= 1);
  t.ok(valueOf(first, 'hoofbeat_delivery_latency_seconds_count') >= 1);
  t.equal(valueOf(first, 'hoofbeat_outbox_bytes_bucket{le="+Inf"}'), valueOf(first, 'hoofbeat_outbox_bytes_count'));
  const second = (await ask('GET', '//metrics')).text;
  t.equal(valueOf(second, 'hoofbeat_messages_received_total'), 101, 'a scrape counts nothing twice');
});

t.test('promtool finds nothing to say about them', async (t) => {
  if (!requireProgram(t, 'promtool')) return;
  const { ask } = await startAdmin(t);
  const { text } = await ask('GET', '//metrics');
  const ours = text.split('\n\n').filter((block) => /^# HELP hoofbeat_/.test(block.trimStart()));
  t.ok(ours.length > 30);
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: `${ours.join('\n')}\n` });
  t.equal(status, 0, String(stdout) + String(stderr));
});

t.test('labels have few values, none of them from a client', async (t) => {
  const { ask, server } = await startAdmin(t);
  // Node's own have labels that come with what the process meets: kinds of collections, of active resources.
  const ours = async (): Promise<string[]> =>
    (await ask('GET', '//metrics')).text
      .split('\n')
      .filter((line) => line.startsWith('hoofbeat_'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')));
  await server.broker.convertAndSend('/topic/first', 'x');
  const before = await ours();
  t.ok(before.length > 50);
  for (let k = 0; k < 50; k++) await server.broker.convertAndSend(`/queue/q${String(k)}`, 'x');
  t.strictSame(await ours(), before);
});
