#!/usr/bin/python3
"""A ZooKeeper client for the shell tests, made of kazoo, that knows nothing of zkfs.

zk.py HOST:PORT COMMAND [ARG...]

  create [-e] [-s] PATH [DATA]  without DATA the znode's data is null; prints the path
  get PATH                      the data, as it is
  null PATH                     succeeds if the data is null
  set PATH DATA [VERSION]
  delete PATH [VERSION]
  rmr PATH
  ls PATH                       the children, sorted, one a line
  exists PATH
  sync PATH                     the server catches up with its leader
  stat PATH FIELD               one of the Stat's fields, by kazoo's name
  run [ARG...]                  Python from stdin, with zk (connected), args, and wait_for
"""
import logging
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

logging.basicConfig(level=logging.CRITICAL)


def wait_for(seconds, condition):
    """Polls until condition() is true; an error once the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("waited %s seconds in vain" % seconds)
        time.sleep(0.01)


def create(zk, *args):
    flags = [a for a in args if a in ("-e", "-s")]
    path, *data = [a for a in args if a not in ("-e", "-s")]
    value = data[0].encode() if data else None
    print(zk.create(path, value, ephemeral="-e" in flags, sequence="-s" in flags))


def get(zk, path):
    sys.stdout.buffer.write(zk.get(path)[0] or b"")


def null(zk, path):
    return zk.get(path)[0] is None


def set_data(zk, path, data, version="-1"):
    zk.set(path, data.encode(), int(version))


def delete(zk, path, version="-1"):
    zk.delete(path, int(version))


def rmr(zk, path):
    zk.delete(path, recursive=True)


def ls(zk, path):
    for name in sorted(zk.get_children(path)):
        print(name)


def exists(zk, path):
    return zk.exists(path) is not None


def sync(zk, path):
    zk.sync(path)


def stat(zk, path, field):
    print(getattr(zk.exists(path), field))


def run(zk, *args):
    exec(compile(sys.stdin.read(), "stdin", "exec"), {"zk": zk, "args": args, "wait_for": wait_for})


COMMANDS = {"create": create, "get": get, "null": null, "set": set_data, "delete": delete,
            "rmr": rmr, "ls": ls, "exists": exists, "stat": stat, "sync": sync,
            "run": run}


def main():
    if len(sys.argv) < 3 or sys.argv[2] not in COMMANDS:
        sys.exit(__doc__)
    zk = KazooClient(hosts=sys.argv[1], timeout=10)
    zk.start(timeout=15)
    try:
        result = COMMANDS[sys.argv[2]](zk, *sys.argv[3:])
    except KazooException as error:
        sys.exit("%s: %s" % (type(error).__name__, error))
    finally:
        zk.stop()
        zk.close()
    return 1 if result is False else 0


if __name__ == "__main__":
    sys.exit(main())
