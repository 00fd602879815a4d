#!/usr/bin/env python3
"""raw_iscsi.py PORTAL TARGET LUN ACTION... - what a well-behaved initiator does not do.

Logs in to one connection without CHAP and carries out the actions in turn:
  send CDBHEX [BYTES]  send a command (with so many bytes of Data-Out, all immediate); do not wait
  wait                 wait for the answer of the oldest command sent; print its status and sense
  reset                LOGICAL UNIT RESET, wait for its response and print it
  abort                ABORT TASK on the oldest command sent, wait for its response and print it
  half CDBHEX BYTES    send a command with a third of its Data-Out, then cut the connection
  leave                cut the connection at once
  pause SECONDS
A unit attention is cleared first. Each response is a line: what, number, sense, milliseconds.
"""
import socket
import struct
import sys
import time

NO_TAG = 0xFFFFFFFF
SECURITY = (
    "InitiatorName=iqn.2026-11.org.liosd:raw\0TargetName=%s\0SessionType=Normal\0"
    "AuthMethod=None\0"
)
OPERATIONAL = (
    "HeaderDigest=None\0DataDigest=None\0ImmediateData=Yes\0InitialR2T=Yes\0"
    "MaxRecvDataSegmentLength=262144\0MaxBurstLength=262144\0FirstBurstLength=65536\0"
    "DefaultTime2Wait=2\0DefaultTime2Retain=0\0MaxOutstandingR2T=1\0MaxConnections=1\0"
    "ErrorRecoveryLevel=0\0DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0"
)


class Connection:
    """One logged-in connection; pending holds (task tag, CmdSN, time) of commands sent."""

    def __init__(self, portal, target, lun):
        host, port = portal.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), 60)
        self.lun = struct.pack(">H6x", lun)
        self.tag, self.cmd_sn, self.stat_sn = 1, 1, 0
        self.pending, self.answers = [], {}
        self.login(target)

    def put(self, opcode, flags, rest, ahs=b"", data=b""):
        """A PDU; rest are bytes 8 to 47."""
        head = struct.pack(">BB2xB", opcode, flags, len(ahs) // 4) + len(data).to_bytes(3, "big")
        assert len(rest) == 40 and len(ahs) % 4 == 0
        self.sock.sendall(head + rest + ahs + data + bytes(-len(data) % 4))

    def take(self, n):
        """So many bytes."""
        got = b""
        while len(got) < n:
            more = self.sock.recv(n - len(got))
            if not more:
                sys.exit("the target closed the connection")
            got += more
        return got

    def get(self):
        """Next PDU that is no ping: header and data."""
        while True:
            head = self.take(48)
            size = int.from_bytes(head[5:8], "big")
            data = self.take(4 * head[4] + size + (-size) % 4)[4 * head[4] :][:size]
            if head[0] & 0x3F != 0x20:
                self.stat_sn = struct.unpack(">I", head[24:28])[0] + 1
                return head, data
            if head[20:24] != b"\xff" * 4:
                rest = head[8:16] + struct.pack(">I4sII", NO_TAG, head[20:24], self.cmd_sn, 0)
                self.put(0x40, 0x80, rest + bytes(16))

    def login(self, target):
        """Security stage, then operational stage, each until the target agrees that it is over."""
        for stages, text in ((0x81, SECURITY % target), (0x87, OPERATIONAL)):
            head, left = b"", text.encode()
            while not head or not head[1] & 0x80:
                rest = b"\x80\x12\x34\x56\x78\x9a\0\0"
                rest += struct.pack(">IIII", 0, 0, self.cmd_sn, self.stat_sn)
                self.put(0x43, stages, rest + bytes(16), data=left)
                head, _ = self.get()
                left = b""
                if head[0] != 0x23 or head[36]:
                    sys.exit("login refused: status %s" % head[36:38].hex())

    def send(self, cdb, out=0, sent=None):
        """A command, with out bytes of Data-Out of which sent follow as immediate data."""
        data = bytes(i & 0xFF for i in range(out if sent is None else sent))
        short = cdb[:16].ljust(16, b"\0")
        ahs = struct.pack(">HBB", len(cdb) - 15, 1, 0) + cdb[16:] if len(cdb) > 16 else b""
        flags = 0x80 | (0x20 if out else 0) | 1
        rest = self.lun + struct.pack(">IIII", self.tag, out, self.cmd_sn, self.stat_sn) + short
        self.put(1, flags, rest, ahs + bytes(-len(ahs) % 4), data)
        self.pending.append((self.tag, self.cmd_sn, time.monotonic()))
        self.tag += 1
        self.cmd_sn += 1

    def manage(self, function, name):
        """Task management on the oldest command or the unit; prints the response."""
        tag, sn, start = self.pending[0] if self.pending else (NO_TAG, 0, 0)
        ref = (NO_TAG, 0) if function == 5 else (tag, sn)
        rest = self.lun + struct.pack(
            ">IIIIII", self.tag, ref[0], self.cmd_sn, self.stat_sn, ref[1], 0
        )
        start, mine = time.monotonic(), self.tag
        self.put(0x42, 0x80 | function, rest + bytes(8))
        self.tag += 1
        while mine not in self.answers:
            self.collect()
        report(name, self.answers.pop(mine)[0][2], b"", start)
        self.pending = self.pending[1:]

    def collect(self):
        """Take one PDU and keep it under its task tag."""
        head, data = self.get()
        self.answers[struct.unpack(">I", head[16:20])[0]] = (head, data)

    def wait(self):
        """Answer of the oldest command: status and sense."""
        tag, _, start = self.pending.pop(0)
        while tag not in self.answers:
            self.collect()
        head, data = self.answers.pop(tag)
        return head[3], data[2:], start


def report(what, number, sense, start):
    """One line about a response."""
    took = int((time.monotonic() - start) * 1000)
    print(what, "%02x" % number, sense[:8].hex() or "-", took, flush=True)


def act(conn, words):
    """The actions in turn."""
    while words:
        action = words.pop(0)
        if action == "send":
            cdb = bytes.fromhex(words.pop(0))
            conn.send(cdb, int(words.pop(0)) if words and words[0].isdigit() else 0)
        elif action == "wait":
            report("status", *conn.wait())
        elif action in ("reset", "abort"):
            conn.manage(5 if action == "reset" else 1, action)
        elif action == "half":
            cdb, size = bytes.fromhex(words.pop(0)), int(words.pop(0))
            conn.send(cdb, size, size // 3)
            conn.sock.close()
            return
        elif action == "leave":
            conn.sock.close()
            return
        elif action == "pause":
            time.sleep(float(words.pop(0)))
        else:
            sys.exit("unknown action " + action)


def main(portal, target, lun, *actions):
    """See the top."""
    conn = Connection(portal, target, int(lun))
    for _ in range(4):
        conn.send(bytes(6))
        if conn.wait()[0] == 0:
            break
    act(conn, list(actions))


if __name__ == "__main__":
    main(*sys.argv[1:])
