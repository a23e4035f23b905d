# The stomp gem against a server: ruby_stomp.rb PORT VERSION. Prints one line a fact, 1..N at the end.
require 'stomp'
require 'timeout'

PORT = Integer(ARGV[0])
VERSION = ARGV[1]
DEADLINE = 8
$stdout.sync = true
$facts = 0

def check(holds, fact, got = nil)
  $facts += 1
  puts "#{holds ? 'ok' : 'not ok'} - ruby stomp #{VERSION}: #{fact}#{holds ? '' : ", got #{got.inspect}"}"
end

def open_client
  headers = { 'accept-version' => VERSION, 'host' => '127.0.0.1' }
  headers = {} if VERSION == '1.0'
  Stomp::Client.new(hosts: [{ host: '127.0.0.1', port: PORT }], connect_headers: headers, reliable: false)
end

def take(queue)
  Timeout.timeout(DEADLINE) { queue.pop }
end

def fence(client)
  receipts = Queue.new
  client.publish('/topic/nobody', 'x') { |receipt| receipts << receipt }
  take(receipts)
end

client = open_client
connected = client.connection_frame
check(connected.command == 'CONNECTED', 'connects', connected.command)
check(client.protocol == VERSION, 'the version is negotiated', client.protocol)

destination = "/topic/ruby.#{VERSION}"
messages = Queue.new
client.subscribe(destination) { |message| messages << message }
fence(client)
body = 'grüße 🐎'
# No backslash before c or n: the gem unescapes in several passes and would take it for an escape.
tricky = VERSION == '1.0' ? 'plain' : "a:b\\:x\nd"
client.publish(destination, body, kind: 'greeting', tricky: tricky)
message = take(messages)
check(message.body.dup.force_encoding('UTF-8') == body, 'unicode text arrives unchanged', message.body)
check(message.headers['kind'] == 'greeting', 'its headers come along', message.headers)
check(message.headers['tricky'] == tricky, 'escaped header values arrive as they were', message.headers['tricky'])

receipts = Queue.new
client.publish(destination, 'second') { |receipt| receipts << receipt }
check(take(receipts).command == 'RECEIPT', 'SEND gets its receipt')
check(take(messages).body == 'second', 'and its message arrives')

client.unsubscribe(destination)
client.publish(destination, 'nobody hears this')
fence(client)
check(messages.empty?, 'nothing arrives after unsubscribe')

queue = "/queue/ruby.#{VERSION}"
work = Queue.new
client.subscribe(queue, ack: 'client') { |each| work << each }
client.begin('aborted')
client.publish(queue, 'never', transaction: 'aborted')
client.abort('aborted')
client.begin('committed')
client.publish(queue, 'one', transaction: 'committed')
client.publish(queue, 'two', transaction: 'committed')
fence(client)
check(work.empty?, 'nothing is delivered before COMMIT')
client.commit('committed')
one = take(work)
two = take(work)
check([one.body, two.body] == %w[one two], 'then both arrive in order')
acked = Queue.new
client.ack(one) { |receipt| acked << receipt }
check(take(acked).command == 'RECEIPT', 'ACK gets its receipt')
# Two stays unacknowledged and has to go to the next consumer.
client.close
check(client.closed?, 'closes, with its DISCONNECT answered')

heir = open_client
rest = Queue.new
heir.subscribe(queue, ack: 'client') { |each| rest << each }
again = take(rest)
check(again.body == 'two' && again.headers['redelivered'] == 'true', 'what was not acknowledged goes to the next', again.headers)
heir.ack(again)
fence(heir)
check(rest.empty?, 'and nothing else does')
heir.close

# The simple connection: one socket, frames read one by one.
headers = VERSION == '1.0' ? {} : { 'accept-version' => VERSION, 'host' => '127.0.0.1' }
connection = Stomp::Connection.new(hosts: [{ host: '127.0.0.1', port: PORT }], connect_headers: headers, reliable: false)
connection.subscribe("/queue/ruby.simple.#{VERSION}", { id: 'simple', receipt: 'subscribed' })
check(Timeout.timeout(DEADLINE) { connection.receive }.headers['receipt-id'] == 'subscribed', 'SUBSCRIBE gets its receipt')
octets = (0..255).to_a.pack('C*')
connection.publish("/queue/ruby.simple.#{VERSION}", octets)
check(Timeout.timeout(DEADLINE) { connection.receive }.body.b == octets, 'a body of all octet values arrives unchanged')
connection.disconnect(receipt: 'bye')
check(connection.disconnect_receipt.headers['receipt-id'] == 'bye', 'DISCONNECT gets its receipt')
puts "1..#{$facts}"
