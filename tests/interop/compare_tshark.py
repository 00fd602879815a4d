#!/usr/bin/env python3
"""compare_tshark.py CAPTURE MEANT - tshark's view of OSD commands and answers against ours.

Each line of MEANT is a kind and "field=value" pairs (see osd_drive.c): cdb a command, out its
Data-Out, in its Data-In, sense its sense data. The lines of a kind must be what tshark found of
that kind, in that order, every field equal; "field=a,b,c" are all values of a field. Data without OSD fields in it is nobody's concern.
Packets that tshark calls malformed, or warns about, are differences too.
"""
import json
import subprocess
import sys

PREFIXES = ("scsi_osd.", "scsi_osd2.", "scsi.", "")
GENERATED = ("scsi_osd.opcode", "scsi_osd.svcaction")  # put beside data by tshark itself
KINDS = ("cdb", "out", "in", "sense")


class Pairs(list):
    """A JSON object with its keys in order, the same key perhaps several times."""

    def all(self, key):
        return [v for k, v in self if k == key]


def flatten(tree, into):
    """Field names of a tshark JSON tree, each with all its values in the order of the packet."""
    if isinstance(tree, Pairs):
        for key, value in tree:
            if isinstance(value, str):
                into.setdefault(key, []).append(value)
            else:
                flatten(value, into)
    elif isinstance(tree, list):
        for item in tree:
            flatten(item, into)
    return into


def number(text):
    """tshark prints numbers as decimal, 0x hex, or byte strings with colons."""
    return int(text.replace(":", ""), 16) if ":" in text else int(text, 0)


def kind_of(fields, opcode):
    """What a SCSI part of a packet is, by its fields and the opcode of its iSCSI PDU."""
    if "scsi_osd.addcdblen" in fields:
        return "cdb"
    if "scsi.sns.key" in fields:
        return "sense"
    if any(f.startswith("scsi_osd") and f not in GENERATED for f in fields):
        return "in" if opcode == 0x25 else "out"
    return None


def parts(capture, found):
    """Sort what tshark sees into found[kind]; return its complaints."""
    out = subprocess.run(
        ["tshark", "-r", capture, "-Y", "iscsi", "-T", "json"],
        check=True, capture_output=True, text=True).stdout
    complaints = []
    for packet in json.loads(out, object_pairs_hook=Pairs):
        layers = packet.all("_source")[0].all("layers")[0]
        pdus = layers.all("iscsi")
        for i, part in enumerate(layers.all("scsi")):
            fields = flatten(part, {})
            pdu = flatten(pdus[min(i, len(pdus) - 1)], {}) if pdus else {}
            kind = kind_of(fields, int(pdu.get("iscsi.opcode", ["0"])[0], 0))
            if kind:
                found[kind].append(fields)
        everything = flatten(layers, {})
        if layers.all("_ws.malformed") or "150994944" in everything.get("_ws.expert.group", ()):
            complaints.append(f"frame {everything['frame.number'][0]}: "
                              f"{everything.get('_ws.expert.message', 'malformed')}")
    return complaints


def compare(kind, index, want, have):
    """Number of fields of one line that tshark sees otherwise."""
    bad = 0
    for name, value in want.items():
        seen = next((have[p + name] for p in PREFIXES if p + name in have), [])
        meant = [int(v, 0) for v in value.split(",")]
        if "," not in value:  # one value: the first of those that tshark has
            seen = seen[:1]
        if [number(text) for text in seen] != meant:
            print(f"{kind} {index} {have.get('scsi_osd.svcaction', '')}: "
                  f"{name} is {','.join(seen)}, meant {value}")
            bad += 1
    return bad


def main():
    capture, meant_path = sys.argv[1:]
    meant = {kind: [] for kind in KINDS}
    found = {kind: [] for kind in KINDS}
    with open(meant_path, encoding="ascii") as lines:
        for line in lines:
            kind, *pairs = line.split()
            meant[kind].append(dict(p.split("=") for p in pairs))
    complaints = parts(capture, found)
    bad = len(complaints)
    for complaint in complaints:
        print(complaint)
    compared = 0
    for kind in KINDS:
        if not meant[kind] or len(meant[kind]) != len(found[kind]):
            print(f"{kind}: {len(meant[kind])} meant, {len(found[kind])} seen by tshark")
            bad += 1
        for i, (want, have) in enumerate(zip(meant[kind], found[kind])):
            compared += len(want)
            bad += compare(kind, i, want, have)
    counts = ", ".join(f"{len(found[k])} {k}" for k in KINDS)
    print(f"{counts}: {compared} fields compared, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
