"""stomp.py against a server: stomp_py.py PORT VERSION. Prints one line a fact, 1..N at the end."""
import queue
import sys
import threading
import time

import stomp

PORT, VERSION = int(sys.argv[1]), sys.argv[2]
CONNECTION = {"1.0": stomp.StompConnection10, "1.1": stomp.StompConnection11, "1.2": stomp.StompConnection12}[VERSION]
DEADLINE = 8
facts = 0


def check(holds, fact, detail=""):
    global facts
    facts += 1
    print(("ok" if holds else "not ok") + " - stomp.py " + VERSION + ": " + fact + ("" if holds else ", got " + ascii(detail)), flush=True)


class Listener(stomp.ConnectionListener):
    def __init__(self):
        self.connected = queue.Queue()
        self.messages = queue.Queue()
        self.receipts = queue.Queue()
        self.errors = queue.Queue()
        self.gone = threading.Event()
        self.heartbeats = 0
        self.timeouts = 0

    def on_connected(self, frame):
        self.connected.put(frame)

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def on_heartbeat(self):
        self.heartbeats += 1

    def on_heartbeat_timeout(self):
        self.timeouts += 1

    def on_disconnected(self):
        self.gone.set()


def connect(**options):
    connection = CONNECTION([("127.0.0.1", PORT)], **options)
    listener = Listener()
    connection.set_listener("", listener)
    connection.connect(wait=True)
    return connection, listener


def subscribe(connection, listener, destination, ack="auto", id="sub-1"):
    connection.subscribe(destination, id=id, ack=ack, receipt="subscribed")
    assert listener.receipts.get(timeout=DEADLINE) == "subscribed"


def fence(connection, listener):
    connection.send("/topic/nobody", "x", receipt="fence")
    got = listener.receipts.get(timeout=DEADLINE)
    assert got == "fence", got


def ack(connection, frame, verb="ack", **options):
    call = getattr(connection, verb)
    if VERSION == "1.1":
        call(frame.headers["message-id"], frame.headers["subscription"], **options)
    else:
        call(frame.headers["ack" if VERSION == "1.2" else "message-id"], **options)


def leave(connection, listener):
    connection.disconnect(receipt="bye")
    check(listener.receipts.get(timeout=DEADLINE) == "bye", "DISCONNECT gets its receipt")
    check(listener.gone.wait(DEADLINE), "the connection ends after it")


def basics():
    connection, listener = connect()
    connected = listener.connected.get(timeout=DEADLINE)
    check(connected.headers.get("version") == VERSION, "the version is negotiated", connected.headers)
    check("session" in connected.headers, "CONNECTED has a session")
    destination = "/topic/stomp.py." + VERSION
    subscribe(connection, listener, destination)
    connection.send(destination, "gr\u00fc\u00dfe \U0001f40e", content_type="text/plain", kind="greeting")
    frame = listener.messages.get(timeout=DEADLINE)
    check(frame.body == "gr\u00fc\u00dfe \U0001f40e", "unicode text arrives unchanged", frame.body)
    check(frame.headers.get("kind") == "greeting", "its headers come along", frame.headers)
    check(frame.headers.get("content-type") == "text/plain", "so does the content-type", frame.headers)
    if VERSION != "1.0":
        tricky = "a:b\\c\nd" + ("\re" if VERSION == "1.2" else "")
        connection.send(destination, "x", headers={"tricky": tricky})
        got = listener.messages.get(timeout=DEADLINE).headers.get("tricky")
        check(got == tricky, "escaped header values arrive as they were", got)
    for k in range(1000):
        connection.send(destination, str(k))
    bodies = [listener.messages.get(timeout=DEADLINE).body for k in range(1000)]
    check(bodies == [str(k) for k in range(1000)], "1000 messages arrive in order")
    connection.unsubscribe(id="sub-1", receipt="unsubscribed")
    check(listener.receipts.get(timeout=DEADLINE) == "unsubscribed", "UNSUBSCRIBE gets its receipt")
    connection.send(destination, "nobody hears this")
    fence(connection, listener)
    check(listener.messages.empty(), "and nothing arrives after it")
    leave(connection, listener)


def binary():
    connection, listener = connect(auto_decode=False)
    subscribe(connection, listener, "/topic/stomp.py.binary")
    body = bytes(range(256)) * 64
    connection.send("/topic/stomp.py.binary", body)
    check(listener.messages.get(timeout=DEADLINE).body == body, "a body of all octet values arrives unchanged")
    connection.disconnect()


def acknowledgements():
    connection, listener = connect()
    destination = "/queue/stomp.py." + VERSION
    subscribe(connection, listener, destination, ack="client-individual")
    for body in ("one", "two", "three"):
        connection.send(destination, body)
    one, two, three = [listener.messages.get(timeout=DEADLINE) for k in range(3)]
    check([one.body, two.body, three.body] == ["one", "two", "three"], "a queue keeps the order")
    ack(connection, two, receipt="acked")
    check(listener.receipts.get(timeout=DEADLINE) == "acked", "ACK gets its receipt")
    if VERSION == "1.0":
        ack(connection, one)
    else:
        ack(connection, one, "nack")
        again = listener.messages.get(timeout=DEADLINE)
        check((again.body, again.headers.get("redelivered")) == ("one", "true"), "NACK brings the message again", again.headers)
        ack(connection, again)
    fence(connection, listener)
    leave(connection, listener)
    heir, heard = connect()
    subscribe(heir, heard, destination, ack="client")
    rest = heard.messages.get(timeout=DEADLINE)
    check((rest.body, rest.headers.get("redelivered")) == ("three", "true"), "what was not acknowledged goes to the next", rest.headers)
    ack(heir, rest)
    fence(heir, heard)
    check(heard.messages.empty(), "and nothing else does")
    heir.disconnect()


def transactions():
    connection, listener = connect()
    destination = "/queue/stomp.py.tx." + VERSION
    subscribe(connection, listener, destination, ack="client")
    aborted = connection.begin()
    connection.send(destination, "never", transaction=aborted)
    connection.abort(aborted)
    committed = connection.begin()
    connection.send(destination, "one", transaction=committed)
    connection.send(destination, "two", transaction=committed)
    fence(connection, listener)
    check(listener.messages.empty(), "nothing is delivered before COMMIT")
    connection.commit(committed, receipt="committed")
    check(listener.receipts.get(timeout=DEADLINE) == "committed", "COMMIT gets its receipt")
    listener.messages.get(timeout=DEADLINE)
    two = listener.messages.get(timeout=DEADLINE)
    check(two.body == "two", "both arrive in order", two.body)
    settling = connection.begin()
    ack(connection, two, transaction=settling)
    connection.commit(settling)
    fence(connection, listener)
    check(listener.errors.empty(), "ACK inside a transaction is no error")
    connection.disconnect()


def requests():
    worker, work = connect()
    subscribe(worker, work, "/queue/stomp.py.work." + VERSION)
    for way in ("RabbitMQ", "ActiveMQ"):
        asker, answers = connect()
        if way == "ActiveMQ":
            subscribe(asker, answers, "/temp-queue/answers", id="mine")
        headers = {"reply-to": "/temp-queue/answers", "correlation-id": way}
        asker.send("/queue/stomp.py.work." + VERSION, "6 * 7", headers=headers)
        asked = work.messages.get(timeout=DEADLINE).headers
        check(asked["reply-to"].startswith("/reply-queue/"), way + ": the worker is told where to answer", asked)
        worker.send(asked["reply-to"], "42", headers={"correlation-id": asked["correlation-id"]})
        answer = answers.messages.get(timeout=DEADLINE)
        expected = ("42", way, "mine" if way == "ActiveMQ" else "/temp-queue/answers")
        got = (answer.body, answer.headers.get("correlation-id"), answer.headers.get("subscription"))
        check(got == expected, way + ": the answer comes to whoever asked", got)
        leave(asker, answers)
        worker.send(asked["reply-to"], "too late")
        fence(worker, work)
    check(work.errors.empty(), "an answer to somebody who has left is no error")
    leave(worker, work)


def heartbeats():
    connection, listener = connect(heartbeats=(200, 200), heart_beat_receive_scale=5)
    deadline = time.monotonic() + DEADLINE
    observed, heard = connect()
    subscribe(observed, heard, "/topic/stomp.py.clock")
    while listener.heartbeats < 14 and time.monotonic() < deadline:
        fence(observed, heard)
        heard.gone.wait(0.05)
    check(listener.heartbeats >= 14, "heart-beats of the server arrive", listener.heartbeats)
    check(listener.timeouts == 0 and not listener.gone.is_set(), "both sides keep the connection")
    leave(connection, listener)
    observed.disconnect()


def errors():
    connection, listener = connect()
    connection.send("/topic/x", "x", transaction="none", receipt="refused")
    error = listener.errors.get(timeout=DEADLINE)
    check(error.headers.get("code") == "transaction-unknown", "a refusal arrives as ERROR", error.headers)
    check(error.headers.get("receipt-id") == "refused", "with the receipt-id of its cause", error.headers)
    check(listener.gone.wait(DEADLINE), "and ends the connection")


basics()
binary()
acknowledgements()
transactions()
requests()
if VERSION != "1.0":
    heartbeats()
errors()
print("1..%d" % facts, flush=True)
