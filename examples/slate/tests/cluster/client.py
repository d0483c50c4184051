"""A client of NATS that knows nothing of SLATE but its documents: plain sockets, plain JSON.

    client.py PORT session SESSION    sends every command to a session, and says what it was answered and what it heard
    client.py PORT build PROJECT      listens until a build of the project has ended; says on stderr once it listens
"""
import json
import socket
import sys
import time

LIMIT = 40.0


class Nats:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 1)
        self.rest = b""
        self.subscriptions = 0
        self.events = []
        self.answers = {}
        self.has_pong = False
        self.line()
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')

    def line(self):
        while b"\r\n" not in self.rest:
            more = self.socket.recv(65536)
            if not more:
                raise SystemExit("the server hung up")
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line.decode()

    def take(self, count):
        while len(self.rest) < count + 2:
            self.rest += self.socket.recv(65536)
        body, self.rest = self.rest[:count], self.rest[count + 2:]
        return body

    def subscribe(self, subject):
        self.subscriptions += 1
        self.socket.sendall(f"SUB {subject} {self.subscriptions}\r\n".encode())

    def publish(self, subject, payload, reply=""):
        body = json.dumps(payload).encode()
        self.socket.sendall(f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n")

    def receive(self):
        """Takes one message, or answers a ping."""
        words = self.line().split()
        if words[0] == "PING":
            self.socket.sendall(b"PONG\r\n")
        elif words[0] == "PONG":
            self.has_pong = True
        elif words[0] in ("MSG", "HMSG"):
            headers = int(words[-2]) if words[0] == "HMSG" else 0
            body = self.take(int(words[-1]))[headers:]
            if words[1].startswith("_INBOX."):
                self.answers[words[1].rsplit(".", 1)[1]] = json.loads(body) if body else {"success": False, "kind": "nobody"}
            else:
                self.events.append(json.loads(body))
        elif words[0] == "-ERR":
            raise SystemExit(" ".join(words))

    def until(self, ready):
        end = time.time() + LIMIT
        while not ready():
            if time.time() > end:
                print(json.dumps({"answers": self.answers, "events": self.events}))
                raise SystemExit("nothing came")
            try:
                self.receive()
            except TimeoutError:
                pass

    def request(self, name, subject, payload):
        self.publish(subject, payload, f"_INBOX.foreign.{name}")
        self.until(lambda: name in self.answers)


def session(nats, id):
    nats.subscribe("_INBOX.foreign.*")
    for kind in ("started", "stopped", "status", "log", "error"):
        nats.subscribe(f"slate.runtime.{kind}.{id}")
    nats.request("start", f"slate.container.start.{id}", {})
    nats.request("status", f"slate.runtime.status.{id}", {"query": "status"})
    nats.request("execute", f"slate.container.execute.{id}", {"command": "echo", "args": ["hello"]})
    nats.request("stats", f"slate.container.stats.{id}", {})
    line = {"type": "log", "sessionId": id, "data": {"level": "warning", "message": "from afar"}}
    nats.request("log", f"slate.runtime.log.{id}", line)
    nats.request("restart", f"slate.container.restart.{id}", {})
    heard = lambda message: any(event.get("data", {}).get("message") == message for event in nats.events)
    nats.until(lambda: heard("ready"))
    nats.request("stop", f"slate.container.stop.{id}", {})
    nats.until(lambda: any(event.get("type") == "stopped" for event in nats.events))
    nats.request("unknown", "slate.container.stats.00000000-0000-7000-8000-000000000000", {})


def build(nats, project):
    for kind in ("started", "progress", "completed", "failed"):
        nats.subscribe(f"slate.build.{kind}.{project}")
    # The server answers in order: then it knows the subscriptions.
    nats.socket.sendall(b"PING\r\n")
    nats.until(lambda: nats.has_pong)
    print("listens", file=sys.stderr, flush=True)
    nats.until(lambda: any(event.get("type") in ("completed", "failed") for event in nats.events))


def main():
    port, what, id = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    nats = Nats(port)
    {"session": session, "build": build}[what](nats, id)
    print(json.dumps({"answers": nats.answers, "events": nats.events}))


main()
