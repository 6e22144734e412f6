"""Bytes on a socket, for tests of what no client would send. The test's own lines follow."""
import socket
import struct
import sys

port = int(sys.argv[1])
args = sys.argv[2:]


def string(data):
    return struct.pack(">i", len(data)) + data


def request(xid, opcode):
    return struct.pack(">ii", xid, opcode)


class Client:
    def __init__(self, to_port):
        self.socket = socket.create_connection(("127.0.0.1", to_port), timeout=10)

    def send(self, data):
        self.socket.sendall(data)

    def send_frame(self, body):
        self.send(struct.pack(">i", len(body)) + body)

    def receive(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError("the server closed the connection")
            data += piece
        return data

    def frame(self):
        return self.receive(struct.unpack(">i", self.receive(4))[0])

    def connect(self, session=0, password=b"\0" * 16, timeout_ms=5000):
        """The timeout, session id and password that the server answers with."""
        self.send_frame(struct.pack(">iqiq", 0, 0, timeout_ms, session) + string(password) + b"\0")
        body = self.frame()
        assert len(body) == 37, body
        _, timeout, session = struct.unpack(">iiq", body[:16])
        return timeout, session, body[20:36]

    def reply(self):
        """xid and err of the next reply."""
        xid, _, err = struct.unpack(">iqi", self.frame()[:16])
        return xid, err

    def create_frame(self, xid, path, data, flags=0):
        return (request(xid, 1) + string(path) + string(data) + struct.pack(">ii", 1, 31) +
                string(b"world") + string(b"anyone") + struct.pack(">i", flags))

    def is_closed(self):
        """Nothing more comes but the end."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


