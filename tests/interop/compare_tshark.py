#!/usr/bin/env python3
"""compare_tshark.py CAPTURE MEANT - tshark's view of each OSD CDB against what was meant.

MEANT has one line per command, "field=value ..." with tshark's field names without the protocol
prefix. Exit status 0 when every command was found, in order, with every field equal.
"""
import json
import subprocess
import sys

PREFIXES = ("scsi_osd.", "scsi_osd2.")


def fields_of(layers, into):
    """Flatten a tshark JSON layer tree into {field name: first value}."""
    if isinstance(layers, dict):
        for key, value in layers.items():
            if isinstance(value, (dict, list)):
                fields_of(value, into)
            else:
                into.setdefault(key, value)
    elif isinstance(layers, list):
        for item in layers:
            fields_of(item, into)


def number(text):
    """tshark prints numbers as decimal, 0x hex, or byte strings with colons."""
    if ":" in text:
        return int(text.replace(":", ""), 16)
    return int(text, 0)


def commands(capture):
    """Fields of every packet that carries an OSD CDB, in order."""
    out = subprocess.run(
        ["tshark", "-r", capture, "-Y", "scsi_osd.svcaction", "-T", "json",
         "--no-duplicate-keys"],
        check=True, capture_output=True, text=True).stdout
    for packet in json.loads(out):
        found = {}
        fields_of(packet["_source"]["layers"], found)
        if "scsi_osd.opcode" in found:
            yield found


def main():
    capture, meant_path = sys.argv[1:]
    with open(meant_path, encoding="ascii") as f:
        meant = [dict(p.split("=") for p in line.split()) for line in f if line.strip()]
    seen = list(commands(capture))
    bad = 0
    compared = 0
    if not meant or len(seen) != len(meant):
        print(f"{len(meant)} commands meant, {len(seen)} seen by tshark")
        bad += 1
    for i, (want, have) in enumerate(zip(meant, seen)):
        for name, value in want.items():
            text = next((have[p + name] for p in PREFIXES if p + name in have), None)
            compared += 1
            if text is None or number(text) != int(value):
                print(f"command {i} (service action {int(want['svcaction']):04x}): "
                      f"{name} is {text}, meant {int(value):#x}")
                bad += 1
    print(f"{len(seen)} commands, {compared} fields compared, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
