# same-answers.py cut|random PORT PORT [SEED COUNT]
#
# Sends the same requests to two servers, the first of them Apache's, and stops
# at the first answer or event that differs. What may differ is left out: clocks,
# session ids, the order of children, and what 3.8 and 3.9 do in different ways
# (the zxid of events, several watch modes on one path, checkWatches).

import random
import socket
import struct
import sys

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN, SYNC = range(1, 10)
PING, GET_CHILDREN2, CHECK, MULTI, CREATE2, RECONFIG = 11, 12, 13, 14, 15, 16
CHECK_WATCHES, REMOVE_WATCHES, CREATE_CONTAINER, CREATE_TTL, MULTI_READ = 17, 18, 19, 21, 22
AUTH, SET_WATCHES, SASL, GET_EPHEMERALS, GET_ALL_CHILDREN_NUMBER = 100, 101, 102, 103, 104
SET_WATCHES2, ADD_WATCH, WHO_AM_I = 105, 106, 107

NO, YES = b"\0", b"\1"
OPEN = [(31, "world", "anyone")]


def integer(value):
    return struct.pack(">i", value)


def long(value):
    return struct.pack(">q", value)


def string(value):
    if value is None:
        return integer(-1)
    if isinstance(value, str):
        value = value.encode()
    return integer(len(value)) + value


def acls(entries):
    if entries is None:
        return integer(-1)
    return integer(len(entries)) + b"".join(
        integer(perms) + string(scheme) + string(name) for perms, scheme, name in entries)


def part(opcode, record):
    return integer(opcode) + NO + integer(-1) + record


END = integer(-1) + YES + integer(-1)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(10)
        self.send(integer(0) + long(0) + integer(10000) + long(0) + string(bytes(16)) + NO)
        self.receive()

    def send(self, body):
        self.socket.sendall(integer(len(body)) + body)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])


# ---------------------------------------------------------------- answers, without what may differ

class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, size):
        taken, self.data = self.data[:size], self.data[size:]
        assert len(taken) == size
        return taken

    def integer(self):
        return struct.unpack(">i", self.take(4))[0]

    def long(self):
        return struct.unpack(">q", self.take(8))[0]

    def string(self):
        size = self.integer()
        return None if size < 0 else self.take(size)

    def strings(self):
        return sorted(self.string() for _ in range(self.integer()))

    def stat(self):
        czxid, mzxid, ctime, mtime = (self.long() for _ in range(4))
        versions = [self.integer() for _ in range(3)]
        owner, length, children, pzxid = self.long(), self.integer(), self.integer(), self.long()
        return czxid, mzxid, ctime > 0, mtime > 0, versions, owner != 0, length, children, pzxid

    def acls(self):
        return [(self.integer(), self.string(), self.string()) for _ in range(self.integer())]

    def ids(self):
        return sorted((self.string(), self.string()) for _ in range(self.integer()))

    def data_stat(self):
        return self.string(), self.stat()

    def results(self):
        records = {-1: self.integer, CREATE: self.string, CREATE2: self.data_stat,
                   SET_DATA: self.stat, GET_DATA: self.data_stat, GET_CHILDREN: self.strings}
        results = []
        while True:
            opcode, done, code = self.integer(), self.take(1), self.integer()
            if done == YES:
                return results
            results.append((opcode, code, records.get(opcode, lambda: None)()))

    def record(self, opcode):
        return {CREATE: self.string, CREATE2: self.data_stat, CREATE_CONTAINER: self.data_stat,
                EXISTS: self.stat, SET_DATA: self.stat, SET_ACL: self.stat,
                GET_DATA: self.data_stat, GET_ACL: lambda: (self.acls(), self.stat()),
                GET_CHILDREN: self.strings, GET_EPHEMERALS: self.strings, SYNC: self.string,
                GET_CHILDREN2: lambda: (self.strings(), self.stat()),
                GET_ALL_CHILDREN_NUMBER: self.integer, WHO_AM_I: self.ids,
                MULTI: self.results, MULTI_READ: self.results}.get(opcode, lambda: None)()


def shown(opcode, frame):
    reader = Reader(frame)
    xid, zxid, code = reader.integer(), reader.long(), reader.integer()
    if xid == -1:
        return "event", reader.integer(), reader.integer(), reader.string(), reader.data
    record = reader.record(opcode) if reader.data else None
    return xid, zxid, code, record, reader.data


# The events that came before the answer, and the answer.
def answers(connection, opcode):
    got = []
    while not got or got[-1][0] == "event":
        got.append(shown(opcode, connection.receive()))
    return got


# ---------------------------------------------------------------- malformed requests

VALID = {
    CREATE: string("/a") + string("x") + acls(OPEN) + integer(0),
    CREATE2: string("/b") + string("x") + acls(OPEN) + integer(0),
    CREATE_CONTAINER: string("/c") + string("x") + acls(OPEN) + integer(4),
    CREATE_TTL: string("/d") + string("x") + acls(OPEN) + integer(5) + long(1000),
    DELETE: string("/nope") + integer(-1),
    EXISTS: string("/a") + NO,
    GET_DATA: string("/a") + NO,
    SET_DATA: string("/a") + string("y") + integer(-1),
    GET_ACL: string("/a"),
    SET_ACL: string("/a") + acls(OPEN) + integer(-1),
    GET_CHILDREN: string("/a") + NO,
    GET_CHILDREN2: string("/a") + NO,
    SYNC: string("/a"),
    PING: b"",
    MULTI: part(DELETE, string("/nope") + integer(-1)) + END,
    RECONFIG: string(None) + string(None) + string("x") + long(-1),
    REMOVE_WATCHES: string("/a") + integer(3),
    MULTI_READ: part(GET_DATA, string("/a") + NO) + END,
    AUTH: integer(0) + string("digest") + string("u:p"),
    SET_WATCHES: long(0) + integer(0) * 3,
    SET_WATCHES2: long(0) + integer(0) * 5,
    SASL: string("x"),
    GET_EPHEMERALS: string("/"),
    GET_ALL_CHILDREN_NUMBER: string("/"),
    ADD_WATCH: string("/a") + integer(0),
    WHO_AM_I: b"",
}


# Every beginning of it, bytes behind it, and lengths and counts that are none.
def malformed(body):
    yield from (body[:size] for size in range(len(body) + 1))
    yield body + b"more"
    for length in (-1, -2, 0x7fffffff):
        yield body.replace(string("/a"), integer(length), 1)
        yield body.replace(integer(1) + integer(31), integer(length) + integer(31), 1)


# The codes, and the sizes of records that come with errors; a ping tells whether it still lives.
def outcome(port, opcode, body):
    connection = Connection(port)
    got = []
    try:
        connection.send(integer(1) + integer(opcode) + body)
        connection.send(integer(-2) + integer(PING))
        while len(got) < 2:
            xid, _, code, = struct.unpack(">iqi", (frame := connection.receive())[:16])
            got.append((xid, code, len(frame) - 16 if code else None))
    except (EOFError, ConnectionError):
        got.append("closed")
    connection.socket.close()
    return got


def compare_malformed(ports):
    for opcode, body in VALID.items():
        for bad in malformed(body):
            apache, ours = (outcome(port, opcode, bad) for port in ports)
            if apache != ours:
                sys.exit(f"operation {opcode}, {bad.hex()}:\nApache {apache}\nours   {ours}")


# ---------------------------------------------------------------- random conversations

ODD_PATHS = ["", "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/zookeeper/q", "x",
             "/a/", "//", "/.", "/a/..", "/a/./b", "/\x01", "/a\0b", "/\u00e4", "/\ue000", "/\uffff"]
ODD_ACLS = [None, [], OPEN * 2, [(1, "world", "anyone")], [(25, "world", "anyone")],
            [(31, "world", "x")], [(31, "auth", "")], [(31, "super", "")], [(31, None, "x")],
            [(31, "nope", "x")], [(31, "digest", None)], [(31, "digest", "x")],
            [(31, "digest", "a:b:c")], [(31, "digest", ":b"), (1, "world", "anyone")],
            [(31, "digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ="), (1, "world", "anyone")],
            [(31, "ip", "127.0.0.1")], [(31, "ip", "127.0.0.0/8")], [(31, "ip", "1.2.3")],
            [(31, "ip", "10.0.0.0/8"), (1, "world", "anyone")], [(31, "ip", "1.2.3.4/33")],
            [(31, "ip", "300.1.1.1")], [(31, "ip", "10.0.0.0/")]]
# Which of the connections may set watches, and how: one mode for each.
PLAIN, STANDARD, PERSISTENT = range(3)


class Conversation:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.watch_mode = seed % 2
        self.zxid = 0

    def path(self):
        if self.random.random() < 0.04:
            return self.random.choice(ODD_PATHS)
        depth = self.random.choice([1, 1, 2, 2, 3])
        return "".join("/" + self.random.choice("abc") for _ in range(depth))

    def acl(self):
        return OPEN if self.random.random() < 0.7 else self.random.choice(ODD_ACLS)

    def value(self):
        return self.random.choice([None, "", "x", "hello world"])

    def version(self):
        return self.random.choice([-1, -1, -1, 0, 1, 2, -2])

    def create(self, flags):
        return string(self.path()) + string(self.value()) + acls(self.acl()) + integer(
            self.random.choice(flags))

    def versioned(self):
        return string(self.path()) + integer(self.version())

    def set_data(self):
        return string(self.path()) + string(self.value()) + integer(self.version())

    def multi(self):
        records = {CREATE: lambda: self.create([0, 0, 1, 2, 3, 4]),
                   CREATE_CONTAINER: lambda: self.create([4]), DELETE: self.versioned,
                   CHECK: self.versioned, SET_DATA: self.set_data}
        body = b""
        for _ in range(self.random.randrange(5)):
            opcode = self.random.choice(list(records))
            body += part(opcode, records[opcode]())
        if self.random.random() < 0.05:
            body += part(self.random.choice([GET_CHILDREN, 20, 99]), string("/a") + NO)
        return body + END

    def multi_read(self):
        if self.random.random() < 0.1:
            return part(DELETE, self.versioned()) + END
        return b"".join(part(self.random.choice([GET_DATA, GET_CHILDREN]),
                             string(self.path() if self.random.random() < 0.9 else None) + NO)
                        for _ in range(self.random.randrange(4))) + END

    def read(self, role):
        watch = role == STANDARD and self.random.random() < 0.5
        body = string(self.path()) + (YES if watch else NO)
        return body[:self.random.randrange(len(body))] if self.random.random() < 0.03 else body

    def paths(self):
        count = self.random.randrange(3)
        return integer(count) + b"".join(string(self.path()) for _ in range(count))

    def set_watches(self):
        since = self.random.choice([0, self.zxid, max(0, self.zxid - 20)])
        return long(since) + self.paths() + self.paths() + self.paths()

    def request(self, role):
        flags = [0, 0, 0, 0, 1, 2, 3, 5, 6, 7, -1, 9]
        records = {
            CREATE: lambda: self.create(flags), CREATE2: lambda: self.create(flags),
            CREATE_CONTAINER: lambda: self.create(flags + [4]), DELETE: self.versioned,
            SET_DATA: self.set_data, MULTI: self.multi, MULTI_READ: self.multi_read,
            SET_ACL: lambda: string(self.path()) + acls(self.acl()) + integer(self.version()),
            PING: lambda: b"", WHO_AM_I: lambda: b"", RECONFIG: lambda: VALID[RECONFIG],
            AUTH: lambda: integer(0) + string(self.random.choice(["digest", "ip"])) + string(
                self.random.choice(["u:p", "v:q"])),
        }
        reads = [EXISTS, GET_DATA, GET_ACL, GET_CHILDREN, GET_CHILDREN2, SYNC, GET_EPHEMERALS,
                 GET_ALL_CHILDREN_NUMBER]
        records.update((opcode, lambda: self.read(role)) for opcode in reads)
        if role == STANDARD:
            records[SET_WATCHES] = self.set_watches
            records[REMOVE_WATCHES] = lambda: string(self.path()) + integer(
                self.random.choice([0, 1, 2, 3, 3, 9]))
        if role == PERSISTENT:
            records[ADD_WATCH] = lambda: string(self.path()) + integer(
                self.random.choice([self.watch_mode, self.watch_mode, 2]))
        often = [CREATE, CREATE, CREATE, CREATE2, DELETE, DELETE, SET_DATA, MULTI, MULTI]
        opcode = self.random.choice(list(records) + often)
        return opcode, records[opcode]()

    # One request, or many at once: but those whose effect on what is behind them depends on
    # how soon Apache applies them (setACL), or that may be answered before their turn (auth).
    def batch(self, role, first_xid):
        count = self.random.choice([1, 1, 1, 20])
        requests = []
        while len(requests) < count:
            opcode, body = self.request(role)
            if count == 1 or opcode not in (SET_ACL, AUTH):
                xid = first_xid + len(requests)
                requests.append((opcode, integer(xid) + integer(opcode) + body))
        return requests

    # What one server says to them, to the sender and, up to a ping's answer, to the others.
    def say(self, connections, role, requests):
        for _, message in requests:
            connections[role].send(message)
        said = [answers(connections[role], opcode) for opcode, _ in requests]
        for other in connections:
            if other is not connections[role]:
                other.send(integer(-2) + integer(PING))
                said.append(answers(other, PING))
        self.zxid = max(self.zxid, said[-1][-1][1])
        return said

    def hold(self, ports, count):
        servers = [[Connection(port) for _ in range(3)] for port in ports]
        xid = 1
        while xid < count:
            role = self.random.randrange(3)
            requests = self.batch(role, xid)
            for apache, ours in zip(*(self.say(server, role, requests) for server in servers)):
                if apache != ours:
                    sys.exit(f"from request {xid} on, {[body.hex() for _, body in requests]}:\n"
                             f"Apache {apache}\nours   {ours}")
            xid += len(requests)
        for connection in servers[0] + servers[1]:
            connection.socket.close()


if sys.argv[1] == "cut":
    compare_malformed([int(port) for port in sys.argv[2:4]])
else:
    Conversation(int(sys.argv[4])).hold([int(port) for port in sys.argv[2:4]], int(sys.argv[5]))
