"""Bytes of a peer, for tests of what no peer would send. The test's own lines follow.

Each of refused's connections must end by the server's will, with a line in its log that has the
text. Lines of one kind are told once a second (sparse_log.h), so it is tried again until there is one.
"""
import contextlib
import socket
import struct
import sys
import time

DEADLINE_S = 30
REQUEST, ACK, PING, REVALIDATE, FOLLOWERINFO, OBSERVERINFO, ACKEPOCH = 1, 3, 5, 6, 11, 16, 18
NEWLEADER, UPTODATE, SNAP, DIFF, LEADERINFO = 10, 12, 15, 13, 17

port = int(sys.argv[1])
log = sys.argv[2]
args = sys.argv[3:]


def logged():
    with open(log, encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain: " + what
        time.sleep(0.02)


def dial():
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def is_over(s):
    """The server ends it; what it says before is of no interest."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while s.recv(65536):
            pass
    s.close()
    return True


def refused(text, data, speak=None):
    """data is sent, then speak(socket) if there is one; then the connection ends."""
    before = logged().count(text)

    def once():
        s = dial()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(data)
            if speak:
                speak(s)
        return is_over(s) and logged().count(text) > before
    wait_for(text, once)


def string(data):
    return struct.pack(">i", len(data)) + data


# ---- the election port


def initiation(sid, address=b"127.0.0.1:1", version=-65536):
    return struct.pack(">qq", version, sid) + string(address)


def notification(state=0, leader=1, zxid=0, election_epoch=1, config=b"", version=2):
    return struct.pack(">iqqqqi", state, leader, zxid, election_epoch, 0, version) + string(config)


# ---- the quorum port


def packet(kind, zxid=0, data=None):
    return (struct.pack(">iq", kind, zxid) +
            (struct.pack(">i", -1) if data is None else string(data)) + struct.pack(">i", -1))


def info(sid, protocol=0x10000, config_version=0, epoch=0, kind=OBSERVERINFO):
    return packet(kind, epoch << 32, struct.pack(">qiq", sid, protocol, config_version))


def receive(s, size):
    data = b""
    while len(data) < size:
        piece = s.recv(size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def next_packet(s):
    kind, zxid, size = struct.unpack(">iqi", receive(s, 16))
    receive(s, max(size, 0))
    assert receive(s, 4) == b"\xff\xff\xff\xff"
    return kind, zxid


def follow(s):
    """After info: an observer until it is up to date, without a transaction."""
    kind, epoch = next_packet(s)
    assert kind == LEADERINFO, kind
    s.sendall(packet(ACKEPOCH, 0, struct.pack(">i", 0)))
    kind, zxid = next_packet(s)
    if kind == SNAP:
        stream = b""
        while not stream.endswith(string(b"BenWasHere")):
            stream += receive(s, 1)
    else:
        assert kind == DIFF, kind
    while next_packet(s)[0] != NEWLEADER:
        pass
    s.sendall(packet(ACK, epoch))
    while next_packet(s)[0] != UPTODATE:
        pass
    s.sendall(packet(ACK, epoch))


