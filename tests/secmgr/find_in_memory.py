"""find_in_memory.py PID - how often texts on standard input, one a line, stand in a process's memory

Ends with 77 when this user may not look. A line of the answer: times found, text's length.
"""
import sys

pid = sys.argv[1]
wanted = [line.strip().encode() for line in sys.stdin if line.strip()]
found = [0] * len(wanted)
try:
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            area, rights = line.split()[:2]
            start, end = (int(x, 16) for x in area.split("-"))
            if rights[:2] != "rw" or end - start > 1 << 28:
                continue
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, ValueError):
                continue
            for i, text in enumerate(wanted):
                found[i] += data.count(text)
except PermissionError:
    sys.exit(77)
for times, text in zip(found, wanted):
    print(times, len(text))
