#!/usr/bin/python3
"""Writes to an ensemble while its servers die, and proves what must hold of them.

ensemble-load.py load SECONDS SESSIONS STATE HOST:PORT...

  Each session writes and reads in a loop, over whichever server it is connected to:

    create     /load/SESSION/N with a value of N's own, its outcome noted
    sequence   /load/SESSION/seq-, whose numbers must grow
    ephemeral  /load/here/SESSION, once a session
    read       the last acknowledged node of its own must be there, and no zxid that it
               reads may be older than one that it has seen (of one session)

  Prints "begun" once each session is well on its way. SIGTERM ends it early. STATE gets what was
  acknowledged, as JSON; the last line on stdout is
  "acknowledged N unknown N expired N longest-gap-ms N reconnects N".

ensemble-load.py prove STATE HOST:PORT...

  Asks every server by itself, after a sync: all that was acknowledged is there with its value,
  what was not even tried is not, and the whole tree is the same everywhere, Stat for Stat.

ensemble-load.py same HOST:PORT...

  The second part of prove alone.
"""
import json
import logging
import os
import signal
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import (ConnectionClosedError, ConnectionLoss, KazooException,
                              NodeExistsError, NoNodeError, SessionExpiredError)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState

logging.basicConfig(level=logging.CRITICAL)

SESSION_TIMEOUT_S = 8
# A session that gets no answer for so long has found a hang, not an election.
STUCK_S = 40
BATCH = 200
# A session is well on its way with so many writes.
BEGUN = 20


def fail(text):
    raise SystemExit("ensemble-load: " + text)


def value_of(session, number):
    return ("%d of %d " % (number, session) * 8).encode()


def connect(hosts, timeout=SESSION_TIMEOUT_S, patience=60):
    client = KazooClient(hosts=",".join(hosts), timeout=timeout,
                         connection_retry={"max_tries": -1, "delay": 0.02, "max_delay": 0.3,
                                           "backoff": 2})
    client.start(timeout=patience)
    return client


class Session(threading.Thread):
    """One client session after another under one number; what it knows is never forgotten."""

    def __init__(self, number, hosts, end):
        super().__init__(daemon=True)
        self.number = number
        # Everybody begins somewhere else.
        self.hosts = hosts[number % len(hosts):] + hosts[:number % len(hosts)]
        self.end = end
        self.next = 0
        self.acknowledged = []
        self.unknown = []
        self.expired = 0
        self.reconnects = 0
        self.gap_s = 0.0
        self.zxid = 0
        self.sequence = -1
        self.error = None
        self.client = None
        self.owner = 0

    def run(self):
        try:
            while not self.end.is_set():
                self.live()
        except Exception as error:  # whatever it is, it is the test's result
            self.error = "session %d: %s: %s" % (self.number, type(error).__name__, error)

    def live(self):
        self.client = connect(self.hosts)
        self.client.add_listener(self.heard)
        self.zxid = 0
        try:
            self.owner = self.client.client_id[0]
            for path in "/load/here", "/load/%d" % self.number:
                self.insist(lambda: self.client.ensure_path(path), path + " can't be made")
            self.insist(self.make_ephemeral, "an expired session's ephemeral does not go")
            last = time.monotonic()
            while not self.end.is_set():
                if self.step():
                    now = time.monotonic()
                    self.gap_s = max(self.gap_s, now - last)
                    last = now
                elif time.monotonic() - last > STUCK_S:
                    fail("session %d has had no answer for %d s" % (self.number, STUCK_S))
            self.prove_ephemeral()
        except SessionExpiredError:
            self.expired += 1
        finally:
            self.client.stop()
            self.client.close()

    def heard(self, state):
        if state == KazooState.SUSPENDED:
            self.reconnects += 1

    def insist(self, attempt, trouble):
        """Until attempt() is true, however often the connection is lost."""
        until = time.monotonic() + STUCK_S
        while time.monotonic() < until:
            try:
                if attempt():
                    return
            except (ConnectionLoss, ConnectionClosedError):
                pass
            time.sleep(0.05)
        fail("session %d: %s" % (self.number, trouble))

    def make_ephemeral(self):
        path = "/load/here/%d" % self.number
        try:
            self.client.create(path, str(self.owner).encode(), ephemeral=True)
            return True
        except NodeExistsError:
            # Of a try whose answer was lost; or of the session before, which has to expire.
            stat = self.client.exists(path)
            return stat is not None and stat.ephemeralOwner == self.owner

    def prove_ephemeral(self):
        path = "/load/here/%d" % self.number
        try:
            stat = self.client.exists(path)
        except (ConnectionLoss, ConnectionClosedError):
            return
        if stat is None or stat.ephemeralOwner != self.owner:
            fail("session %d lives, and its ephemeral does not" % self.number)

    def step(self):
        number = self.next
        self.next += 1
        try:
            self.client.create("/load/%d/%d" % (self.number, number),
                               value_of(self.number, number))
        except NodeExistsError:
            fail("session %d: %d was there before it was written" % (self.number, number))
        except (ConnectionLoss, ConnectionClosedError):
            self.unknown.append(number)
            return False
        self.acknowledged.append(number)
        return self.read_own(number) and (number % 10 != 0 or self.take_number())

    def read_own(self, number):
        try:
            value, stat = self.client.get("/load/%d/%d" % (self.number, number))
        except NoNodeError:
            fail("session %d does not see its own write %d" % (self.number, number))
        except (ConnectionLoss, ConnectionClosedError):
            return False
        if value != value_of(self.number, number):
            fail("session %d: the value of %d is another" % (self.number, number))
        if stat.mzxid < self.zxid:
            fail("session %d: zxid 0x%x after 0x%x" % (self.number, stat.mzxid, self.zxid))
        self.zxid = stat.mzxid
        return True

    def take_number(self):
        try:
            path = self.client.create("/load/%d/seq-" % self.number, b"", sequence=True)
        except (ConnectionLoss, ConnectionClosedError):
            return False
        sequence = int(path[-10:])
        if sequence <= self.sequence:
            fail("session %d: sequence %d after %d" % (self.number, sequence, self.sequence))
        self.sequence = sequence
        return True


def load(seconds, count, state, hosts):
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    sessions = [Session(number, hosts, end) for number in range(int(count))]
    for session in sessions:
        session.start()
    until = time.monotonic() + float(seconds)
    has_begun = False
    while time.monotonic() < until and not end.is_set():
        if any(session.error for session in sessions):
            break
        if not has_begun and all(len(session.acknowledged) >= BEGUN for session in sessions):
            has_begun = True
            print("begun", flush=True)
        time.sleep(0.05)
    end.set()
    for session in sessions:
        session.join(STUCK_S + 20)
        if session.is_alive():
            fail("session %d does not end" % session.number)
    with open(state, "w", encoding="ascii") as out:
        json.dump({session.number: {"acknowledged": session.acknowledged,
                                    "tried": session.next} for session in sessions}, out)
    errors = [session.error for session in sessions if session.error]
    if errors:
        fail("; ".join(errors))
    print("acknowledged %d unknown %d expired %d longest-gap-ms %d reconnects %d" % (
        sum(len(session.acknowledged) for session in sessions),
        sum(len(session.unknown) for session in sessions),
        sum(session.expired for session in sessions),
        max(session.gap_s for session in sessions) * 1000,
        sum(session.reconnects for session in sessions)))


def walk(client):
    """Every znode but the servers' own: path -> (data, Stat, ACL)."""
    found = {}
    level = ["/"]
    while level:
        below = []
        for at in range(0, len(level), BATCH):
            paths = level[at:at + BATCH]
            asked = [(path, client.get_async(path), client.get_children_async(path),
                      client.get_acls_async(path)) for path in paths]
            for path, value, children, acls in asked:
                try:
                    found[path] = (value.get(30), str(acls.get(30)[0]))
                    below += [path.rstrip("/") + "/" + child for child in children.get(30)]
                except NoNodeError:
                    fail("%s went away while nobody was writing" % path)
        level = [path for path in below if path != "/zookeeper/config"]
    return found


def tree_of(host):
    until = time.monotonic() + 60
    while True:
        client = None
        try:
            client = connect([host], patience=20)
            client.sync("/")
            return walk(client)
        except (ConnectionLoss, ConnectionClosedError, SessionExpiredError, KazooTimeoutError):
            if time.monotonic() > until:
                fail("%s does not serve" % host)
        finally:
            if client:
                client.stop()
                client.close()


def difference(host, tree, other_host, other):
    for path in sorted(set(tree) | set(other)):
        if tree.get(path) != other.get(path):
            fail("%s differs:\n%s %s\n%s %s" % (path, host, tree.get(path), other_host,
                                                other.get(path)))


def prove_same(hosts):
    """The trees, once two rounds over all servers agree that nothing changes any more."""
    trees = {host: tree_of(host) for host in hosts}
    for host in hosts[1:]:
        difference(hosts[0], trees[hosts[0]], host, trees[host])
    return trees[hosts[0]]


def prove(state, hosts):
    tree = prove_same(hosts)
    with open(state, encoding="ascii") as file:
        sessions = json.load(file)
    count = 0
    for number, session in sessions.items():
        for acknowledged in session["acknowledged"]:
            path = "/load/%s/%d" % (number, acknowledged)
            if path not in tree:
                fail("%s was acknowledged and is lost" % path)
            if tree[path][0][0] != value_of(int(number), acknowledged):
                fail("%s has another value" % path)
            count += 1
        for path in tree:
            prefix = "/load/%s/" % number
            if path.startswith(prefix) and path[len(prefix):].isdigit() and \
                    int(path[len(prefix):]) >= session["tried"]:
                fail("%s is there and was never written" % path)
    print("proved %d writes on %d servers, %d znodes" % (count, len(hosts), len(tree)))


def main():
    command, *args = sys.argv[1:]
    try:
        if command == "load":
            load(args[0], args[1], args[2], args[3:])
        elif command == "prove":
            prove(args[0], args[1:])
        elif command == "same":
            prove_same(args)
        else:
            fail("no command " + command)
    except KazooException as error:
        fail("%s: %s" % (type(error).__name__, error))
    sys.stdout.flush()
    # kazoo's threads may still wait for a server that is gone.
    os._exit(0)


if __name__ == "__main__":
    main()
