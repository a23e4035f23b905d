import t from 'tap';
import { MessageHeads } from '../../broker/message-heads.js';
import { SOCKJS_WEBSOCKET_FRAMING } from '../../adapters/transports/websocket-framing.js';
import { RAW } from '../helpers/memory-connection.js';

t.test('equal heads are one Buffer; another id, version or framing makes another', async (t) => {
  const heads = new MessageHeads('n-');
  const head = heads.of('a', '1.2', RAW);
  t.equal(head.toString(), 'MESSAGE\nsubscription:a\nmessage-id:n-');
  t.equal(heads.of('a', '1.2', RAW), head);
  t.equal(heads.of('a', '1.1', RAW), head, 'the octets are the same in both versions');
  t.not(heads.of('b', '1.2', RAW), head);
  t.equal(heads.of(null, '1.0', RAW).toString(), 'MESSAGE\nmessage-id:n-');
  t.not(heads.of('a:b', '1.0', RAW), heads.of('a:b', '1.2', RAW), 'escaped on 1.2 alone');
  const json = heads.of('a', '1.2', SOCKJS_WEBSOCKET_FRAMING);
  t.equal(json.toString(), 'MESSAGE\\nsubscription:a\\nmessage-id:n-');
  t.equal(heads.of('a', '1.2', SOCKJS_WEBSOCKET_FRAMING), json);
});

t.test('ids that are all different do not fill it', async (t) => {
  const heads = new MessageHeads('n-');
  const first = heads.of('first', '1.2', RAW);
  for (let k = 0; k < 4095; k++) heads.of(`s${k}`, '1.2', RAW);
  t.equal(heads.of('first', '1.2', RAW), first, 'so many are kept');
  heads.of('one more', '1.2', RAW);
  const again = heads.of('first', '1.2', RAW);
  t.not(again, first, 'it began anew');
  t.strictSame(again, first);
});
