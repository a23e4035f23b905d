import t from 'tap';
import { formatHeader, messageHead, messageTail, serializeFrame } from '../../protocol/index.js';

t.test('a frame is command, headers, blank line, body, NUL', async (t) => {
  t.equal(serializeFrame('RECEIPT', [['receipt-id', 'a']], '1.2').toString(), 'RECEIPT\nreceipt-id:a\n\n\0');
  t.equal(serializeFrame('SEND', [], '1.2', Buffer.from('é')).toString(), 'SEND\n\né\0');
});

t.test('headers are escaped as the version wants it', async (t) => {
  const headers = [['a:b', 'c\r\n\\']] as const;
  t.equal(serializeFrame('ERROR', headers, '1.2').toString(), 'ERROR\na\\cb:c\\r\\n\\\\\n\n\0');
  t.equal(serializeFrame('ERROR', headers, '1.1').toString(), 'ERROR\na\\cb:c\r\\n\\\\\n\n\0');
  t.equal(serializeFrame('ERROR', headers, '1.0').toString(), 'ERROR\na\\cb:c\r\\n\\\n\n\0');
  t.equal(formatHeader('a', 'b:c', null), 'a:b:c\n');
});

t.test('CONNECT, STOMP and CONNECTED are written unescaped and refuse what would break them', async (t) => {
  t.equal(
    serializeFrame('CONNECTED', [['user-name', 'a:b\\c']], '1.2').toString(),
    'CONNECTED\nuser-name:a:b\\c\n\n\0',
  );
  for (const command of ['CONNECT', 'STOMP', 'CONNECTED'] as const) {
    for (const header of [
      ['a', 'b\n'],
      ['a', 'b\r'],
      ['a', '\0'],
      ['a:b', ''],
      ['a\n', ''],
    ] as const) {
      t.throws(() => serializeFrame(command, [header], '1.2'), RangeError, JSON.stringify(header));
    }
  }
});

t.test('a MESSAGE is a head, digits and a shared tail', async (t) => {
  const head = messageHead('s:1', 'node-', '1.2');
  const tail = messageTail([['destination', '/topic/a']], '1.2', Buffer.from('hé'));
  t.equal(
    `${head.toString()}7${tail.toString()}`,
    'MESSAGE\nsubscription:s\\c1\nmessage-id:node-7\ndestination:/topic/a\ncontent-length:3\n\nhé\0',
  );
  t.equal(messageHead(null, 'n-', '1.0').toString(), 'MESSAGE\nmessage-id:n-');
  t.equal(messageTail([], '1.1', Buffer.alloc(0)).toString(), '\ncontent-length:0\n\n\0');
});
