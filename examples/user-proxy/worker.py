"""A worker over plain TCP: worker.py [HOST] [PORT]. Needs stomp.py (Debian: python3-stomp)."""
import sys
import time

import stomp


class Worker(stomp.ConnectionListener):
    def on_message(self, frame):
        print(frame.body, flush=True)


host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 61613
conn = stomp.Connection([(host, port)])
conn.set_listener("", Worker())
conn.connect(wait=True)
conn.subscribe(destination='/user/queue/tasks', id=1)
print("listening", flush=True)
while conn.is_connected():
    time.sleep(0.1)
