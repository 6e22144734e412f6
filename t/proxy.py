#!/usr/bin/python3
"""A TCP proxy to put between a mount and its server.

proxy.py PORT TARGET_PORT: forwards 127.0.0.1:PORT. Killed, all its connections are gone; stopped
(SIGSTOP), they are there and silent.
"""
import selectors
import socket
import sys


def main():
    port, target = map(int, sys.argv[1:])
    listener = socket.create_server(("127.0.0.1", port), backlog=200)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    peers = {}
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", target))
                except OSError:
                    near.close()
                    continue
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peers[one] = other
                    ready.register(one, selectors.EVENT_READ)
                continue
            one = key.fileobj
            if one not in peers:
                continue
            other = peers[one]
            try:
                data = one.recv(1 << 16)
                if data:
                    other.sendall(data)
                    continue
            except OSError:
                pass
            for end in (one, other):
                ready.unregister(end)
                del peers[end]
                end.close()


if __name__ == "__main__":
    main()
