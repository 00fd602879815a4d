#!/usr/bin/env python3
"""cut_proxy.py LISTEN-PORT TARGET-PORT CUTS LOW HIGH - a network that fails in mid-sentence.

Passes TCP connections on 127.0.0.1 through to the target. Every connection is cut, with a reset,
after a number of bytes (both directions together) between LOW and HIGH, until CUTS cuts have been
made; after that connections live. Each cut is a line with its place.
"""
import random
import select
import socket
import struct
import sys

CHUNK = 16384


class Relay:
    """One connection on both sides; limit is how much may pass."""

    def __init__(self, client, port, limit):
        self.ends = {client: socket.create_connection(("127.0.0.1", port))}
        self.ends[self.ends[client]] = client
        self.client, self.limit, self.passed = client, limit, 0

    def move(self, source):
        """Pass some bytes on; False: it is over."""
        room = CHUNK if self.limit is None else min(CHUNK, self.limit - self.passed)
        try:
            data = source.recv(room)
            self.ends[source].sendall(data)
        except OSError:
            return False
        self.passed += len(data)
        return bool(data) and self.passed != self.limit

    def was_cut(self):
        """Did the limit end it?"""
        return self.limit is not None and self.passed >= self.limit

    def close(self):
        """Both sides, with a reset when it was cut."""
        for end in self.ends:
            if self.was_cut():
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


def main(listen, port, cuts, low, high):
    """See the top."""
    server = socket.create_server(("127.0.0.1", listen))
    relays = {}
    made = 0
    print("listening", flush=True)
    while True:
        for sock in select.select([server, *relays], [], [])[0]:
            if sock is server:
                limit = random.randint(low, high) if made < cuts else None
                relay = Relay(server.accept()[0], port, limit)
                relays.update(dict.fromkeys(relay.ends, relay))
            elif sock in relays and not relays[sock].move(sock):
                relay = relays[sock]
                for end in relay.ends:
                    del relays[end]
                relay.close()
                if relay.was_cut():
                    made += 1
                    print("cut", made, "after", relay.passed, "bytes", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
