#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py - from the JSON of the bench programs to results.json, plots and performance.md

usage: report.py note FILE COMMAND MODE LOAD  add the command line, the mode and the machine's load
                                           before the run to one part's JSON
       report.py write PARTS OUT           PARTS/*.json over OUT/performance/results.json; plots;
                                           OUT/performance.md from bench/performance.in.md
       report.py rows PARTS [--update]     compare the rows of a quick run with bench/rows.txt
A line "@table ARGUMENTS" of the template becomes a table. A row that a table needs and no part has
is an error: a figure cannot disappear silently.
"""
import glob
import json
import math
import os
import re
import subprocess
import sys
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
LUNS = ["object LUN", "empty handler", "block LUN"]
LISTS = {"inproc": ["operations", "ratios", "threads"], "memory": ["operations", "ratios"],
         "disk": ["operations", "ratios"], "secured": ["secured", "added"],
         "growth": ["growth", "space", "attributes", "partitions", "sparse"],
         "lio": ["depth_times", "depth_ratios", "sizes_times", "sizes_ratios", "clients", "table3"],
         "guest": ["operations", "ratios", "floor"], "tgtd": ["depth_times", "sizes_times"],
         "sustain": ["sustain"]}


class Missing(Exception):
    """A row that no part has."""


def rows(results, part, listing, /, **tags):
    """The rows of one list that have these tags, at least one."""
    found = [r for r in results.get(part, {}).get(listing, [])
             if all(r.get(k) == v for k, v in tags.items())]
    if not found:
        raise Missing(f"{part}: no row of {listing} with {tags}")
    return found


def row(results, part, listing, /, **tags):
    return rows(results, part, listing, **tags)[0]


def number(v):
    return f"{v:.2f}" if v < 10 else f"{v:.1f}" if v < 100 else f"{v:,.0f}"


def counted(n, what):
    return f"{n} {what}" + ("" if n == 1 else "s")


def spread(r):
    """What takes one value has no spread."""
    if len(r["rounds"]) == 1:
        return number(r["median"])
    return f"{number(r['median'])} ({number(r['min'])}-{number(r['max'])})"


def goal(r, at_most):
    if not r["target"]:
        return ""
    met = r["median"] <= r["target"] if at_most else r["median"] >= r["target"]
    return f"{'≤' if at_most else '≥'} {r['target']:g} {'met' if met else '**missed**'}"


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for line in lines:
        yield "| " + " | ".join(line) + " |"


# ---- the tables of the template ----

def operations(res):
    parts = ("inproc", "memory", "disk")
    lines = []
    for r in rows(res, "inproc", "operations"):
        cells = [spread(row(res, p, "operations", name=r["name"])) for p in parts]
        lines.append([r["what"], goal(r, True)] + cells)
    return table(["µs per command", "goal", "RocksDB store in memory", "memory store",
                  "RocksDB store on disk"], lines)


def ratios(res):
    lines = [[r["what"], goal(r, False)] +
             [spread(row(res, p, "ratios", what=r["what"])) for p in ("inproc", "memory", "disk")]
             for r in rows(res, "inproc", "ratios")]
    return table(["speed ÷ speed of the peer", "goal", "RocksDB store in memory", "memory store",
                  "RocksDB store on disk"], lines)


def threads(res):
    names = list(dict.fromkeys(r["name"] for r in rows(res, "inproc", "threads")))
    counts = [1, 2, 4, 8, 16]
    lines = []
    for n in names:
        four = row(res, "inproc", "threads", name=n, unit="ratio")
        cells = [number(row(res, "inproc", "threads", name=n, threads=c)["median"])
                 for c in counts]
        lines.append([four["what"].split(", 4 threads")[0]] + cells +
                     [spread(four), goal(four, False),
                      spread(row(res, "inproc", "threads", name=n, unit="most")),
                      spread(row(res, "inproc", "threads", name=n, unit="apart")),
                      spread(row(res, "inproc", "threads", name=n, unit="cpu"))])
    return table(["thousand commands per second"] + [counted(c, "thread") for c in counts] +
                 ["4 ÷ 1", "goal", "CPUs' time ÷ 1", "4 processes ÷ 1", "CPU time of one, 4 ÷ 1"], lines)


def lio_depth(res):
    lines = []
    for r in rows(res, "lio", "depth_times", lun="object LUN"):
        cells = [spread(row(res, "lio", "depth_times", name=r["name"], lun=lun)) for lun in LUNS]
        for lun in LUNS[1:]:
            q = row(res, "lio", "depth_ratios", name=r["name"], lun=lun)
            cells += [spread(q), goal(q, False)]
        lines.append([r["name"]] + cells)
    return table(["", "object LUN, µs", "empty handler, µs", "fileio LUN, µs", "÷ empty", "goal",
                  "÷ fileio", "goal"], lines)


# Loads; what brings their bytes; the empty handler's copy of them.
FLOORS = [(f"{what} {size}", f"map_{way}_{name}", f"copy_{way}_{name}")
          for what, way in (("read", "out"), ("overwrite", "in"))
          for size, name in (("4 KiB", "4k"), ("64 KiB", "64k"), ("1 MiB", "1m"))]
COSTS = ["peer_nothing", "peer_touch", "peer_read_4k", "peer_overwrite_4k", "peer_record",
         "peer_rocksdb_put"]


def lio_costs(res):
    lines = []
    for name in COSTS:
        native = [r for r in res.get("inproc", {}).get("operations", []) if r["name"] == name]
        guest = row(res, "guest", "operations", name=name)
        lines.append([guest["what"], spread(guest), spread(native[0]) if native else ""])
    return table(["µs", "in the guest", "natively"], lines)


def guest_us(res, listing, name):
    return row(res, "guest", listing, name=name)["median"]


def floor_of(res, load, depth):
    """What brings the same bytes in the same guest, on top of the empty handler; which copies
    the bytes, so that its copy is no part of that. Microseconds of the empty handler, of the rest,
    and that in words; None when the load is not measured."""
    mapped, copy = next(f[1:] for f in FLOORS if f[0] == load)
    times = [r for r in rows(res, "lio", "depth_times") if r["name"] == f"{load} {depth}"]
    if not times:
        return None
    us, copied = (guest_us(res, "floor", "floor_" + n) for n in (mapped, copy))
    empty = row(res, "lio", "depth_times", name=f"{load} {depth}", lun="empty handler")["median"]
    return empty, max(us - copied, 0), f"{number(us)} − {number(copied)}"


def lio_floor(res):
    lines = []
    for load, *_ in FLOORS:
        for depth in ("QD1", "QD16"):
            floor = floor_of(res, load, depth)
            if not floor:
                continue
            empty, total, words = floor
            name = f"{load} {depth}"
            mine = row(res, "lio", "depth_ratios", name=name, lun="empty handler")
            fileio = row(res, "lio", "depth_times", name=name, lun="block LUN")["median"]
            over = row(res, "lio", "depth_ratios", name=name, lun="block LUN")
            lines.append([name, number(empty), words, f"{empty / (empty + total):.2f}",
                          spread(mine), goal(mine, False), f"{fileio / empty:.2f}", goal(over, False)])
    return table(["", "empty handler, µs", "copy and checksum − empty handler's copy, µs",
                  "÷ empty with nothing else", "÷ empty, measured", "goal",
                  "empty handler ÷ fileio", "goal, ÷ fileio"], lines)


def lio_sizes(res):
    lines = []
    for r in rows(res, "lio", "sizes_times", lun="object LUN"):
        cells = [spread(row(res, "lio", "sizes_times", name=r["name"], lun=lun)) for lun in LUNS]
        cells += [spread(row(res, "lio", "sizes_ratios", name=r["name"], lun=lun))
                  for lun in LUNS[1:]]
        cells.append(spread(row(res, "tgtd", "sizes_times", name=r["name"])))
        lines.append([r["name"]] + cells)
    return table(["µs per command", "object LUN", "empty handler", "fileio LUN", "÷ empty",
                  "÷ fileio", "tgtd, native"], lines)


def lio_clients(res):
    counts = [1, 2, 4, 8, 16]
    lines = []
    for name, title in (("read", "READ 4 KiB"), ("overwrite", "WRITE 4 KiB")):
        for lun in LUNS:
            cells = [spread(row(res, "lio", "clients", name=name, lun=lun, clients=c))
                     for c in counts]
            lines.append([f"{title}, {lun.replace('block', 'fileio')}"] + cells)
    return table(["thousand commands per second"] + [counted(c, "client") for c in counts], lines)


TABLE3 = [("CREATE PARTITION", "create_partition"), ("CREATE", "create"), ("LIST", "list_1k"),
          ("LIST ROOT", "list_root"), ("SET ATTRIBUTE", "set_1"), ("WRITE", "write_4k"),
          ("APPEND", "append_64"), ("READ", "read_4k"), ("GET ATTRIBUTE", "get_page"),
          ("REMOVE", "remove"), ("REMOVE PARTITION", "remove_partition")]
# Columns of lio's table3, by their tag "method".
NOSEC, NONCE, CAPKEY, CMDRSP, ALLDATA, OVER_CAPKEY, EMPTY = range(7)


def table3_row(res, name, method):
    return row(res, "lio", "table3", name=name, method=method)


def table3(res):
    lines = []
    for title, name in TABLE3:
        what = row(res, "inproc", "operations", name=name)["what"]
        cells = [spread(table3_row(res, name, m))
                 for m in (EMPTY, NOSEC, NONCE, CAPKEY, CMDRSP, ALLDATA)]
        ratio = table3_row(res, name, OVER_CAPKEY)
        lines.append([title, what] + cells + [spread(ratio), goal(ratio, True)] +
                     [spread(row(res, "inproc", "operations", name=name))])
    return table(["command of the paper", "as measured here", "empty handler", "NOSEC",
                  "NOSEC, nonce", "CAPKEY", "CMDRSP", "ALLDATA", "CMDRSP ÷ CAPKEY", "goal",
                  "NOSEC, in process"], lines)


def secured(res):
    every = rows(res, "secured", "secured")
    methods = ["NOSEC", "NOSEC, nonce", "CAPKEY", "CMDRSP", "ALLDATA"]
    lines = []
    for n in dict.fromkeys(r["name"] for r in every):
        cells = [spread(row(res, "secured", "secured", name=n, method=m)) for m in range(5)]
        lines.append([row(res, "secured", "secured", name=n)["what"].rsplit(", ", 1)[0]] + cells)
    return table(["µs per command, in process"] + methods, lines)


def secured_added(res):
    return table(["added by security", "", "goal"],
                 [[r["what"], spread(r) + (" µs" if r["unit"] == "us" else ""), goal(r, True)]
                  for r in rows(res, "secured", "added")])


def budget_cmdrsp(_):
    """Instructions under CAPKEY and CMDRSP, of the file that bench/check-budget compares."""
    with open(os.path.join(HERE, "budget.txt"), encoding="utf-8") as f:
        budget = {line.split()[0]: int(line.split()[1]) for line in f if line[0] != "#"}
    lines = []
    for what, name in (("READ 4 KiB", "read_4k"), ("WRITE 4 KiB, overwrite", "write_4k"),
                       ("SET ATTRIBUTES, 1 of 16 bytes", "set_1"), ("CREATE", "create"),
                       ("REMOVE (no data)", "remove")):
        capkey, cmdrsp = (budget[f"{name}_{method}"] for method in ("capkey", "cmdrsp"))
        lines.append([what, f"{capkey:,}", f"{cmdrsp:,}", f"{cmdrsp - capkey:,}"])
    return table(["instructions", "CAPKEY", "CMDRSP", "more"], lines)


def by_tag(res, name, tag, title):
    """One line per operation, one column per value of the tag."""
    every = rows(res, "growth", name)
    columns = sorted({r[tag] for r in every})
    lines = []
    for n in dict.fromkeys(r["name"] for r in every):
        cells = [spread(row(res, "growth", name, name=n, **{tag: c})) for c in columns]
        first = row(res, "growth", name, name=n)
        lines.append([first["what"].rsplit(", ", 1)[0]] + cells)
    return table([title] + [f"{c:,}" for c in columns], lines)


def growth(res):
    return by_tag(res, "growth", "objects", "µs per command; objects in the partition")


def attributes(res):
    return by_tag(res, "attributes", "attributes", "µs per command; attributes of the object")


def partitions(res):
    return by_tag(res, "partitions", "partitions", "µs per command; partitions")


def sparse(res):
    return by_tag(res, "sparse", "length", "µs per command; bytes of the object")


def space(res):
    def mib(r, when):
        return f"{r[when] / 2**20:,.1f}" if when in r else "not measured"

    return table(["", "objects", "MiB without", "MiB with them", "bytes per object"],
                 [[r["what"], f"{r['objects']:,}", mib(r, "before"), mib(r, "after"),
                   f"{r['bytes']:,.0f}"] for r in rows(res, "growth", "space")])


def sustain(res):
    lines = []
    for r in rows(res, "sustain", "sustain"):
        if r["what"].startswith("plain file"):
            continue
        peer = row(res, "sustain", "sustain", what="plain file, " + r["what"])
        lines.append([r["what"]] + [number(x["median"]) if x["median"] else "0"
                                    for x in (r, peer)] + [goal(r, True)])
    return table(["", "object", "plain file", "goal"], lines)


def parts(res):
    lines = [[p, res[p]["date"], res[p]["mode"], f"{res[p]['load']:.1f}",
              f"{res[p]['machine']['cpu']}, {counted(res[p]['machine']['cpus'], 'CPU')}, "
              f"Linux {res[p]['machine']['kernel']}", f"`{res[p]['command']}`"]
             for p in LISTS if p in res]
    return table(["part", "date", "mode", "load before", "machine", "command"], lines)


# ---- the goals, all in one table ----

# Microseconds of an older target, based on SQLite.
OLDER = {"create": "43", "create_partition": "29", "set_1": "49", "get_1": "7.6", "read_4k": "2.1",
         "write_4k": "2.4", "append_64": "2.6", "remove": "58",
         "list_1k": "1,085", "list_most": "200,000 among 1 million"}
LIST_US, LIST_OBJECTS, SUSTAINED = 250, 10_000_000, 20 * 1024  # the last in MiB


def goal_line(what, r, at_most, why, target=None, unit="", older="", short=""):
    """One goal: r is the row that was measured; why says what the limit is, for a goal that is missed;
    short says that less was measured than the goal is about."""
    target = target or r["target"]
    met = r["median"] <= target if at_most else r["median"] >= target
    sign = "≤" if at_most else "≥"
    verdict = ("met" if met else "**missed**") + (f", {short}" if short else "")
    return [what, f"{sign} {target:g}{unit}", spread(r), verdict, older, "" if met else why]


def goals_lio(res, lun):
    for r in rows(res, "lio", "depth_ratios", lun=lun):
        if not r["target"]:
            continue
        load, depth = r["name"].rsplit(" ", 1)
        fileio, empty = (row(res, "lio", "depth_times", name=r["name"], lun=side)["median"]
                         for side in ("block LUN", "empty handler"))
        if lun == "block LUN":
            why = f"the empty handler itself reaches {fileio / empty:.2f}: [TCMU](#over-lio-beside-fileio)"
        else:
            _, more, _ = floor_of(res, load, depth)
            why = (f"copy and checksum alone make it {empty / (empty + more):.2f}: "
                   "[beside the empty handler](#over-lio-beside-the-empty-handler)")
        yield goal_line(f"over LIO, {r['name']} ÷ {lun.replace('block LUN', 'fileio')}", r, False, why)


def goals_ratios(res):
    for part, where in (("inproc", "in process"), ("disk", "in process, on disk")):
        def median(what):
            return row(res, part, "ratios", what=what)["median"]

        checked = median("pread and CRC32C / pread, 1 MiB")
        there = median("WRITE 1 MiB new data / pwrite, pages already there")
        for what, more, why in (
                ("WRITE 1 MiB new data / pwrite, new file", f" ({there:.2f} where its pages are there)",
                 "other blocks, and a checksum of each: [READ and WRITE](#read-and-write)"),
                ("READ 1 MiB / pread", "",
                 f"`pread` with a checksum of each block reaches {checked:.2f}: "
                 "[checksums](#in-process-beside-files)")):
            yield goal_line(f"{where}, " + what.replace(" / ", " ÷ ") + more,
                            row(res, part, "ratios", what=what), False, why)


def goals_commands(res):
    def peer(name):
        r = row(res, "inproc", "operations", name=name)
        return f"{r['what'].split(',')[0]} takes {number(r['median'])} µs: [small commands](#small-commands)"

    for name, beside in (("create", "peer_rocksdb_put"), ("create_partition", "peer_rocksdb_put"),
                         ("set_1", "peer_rocksdb_put"), ("get_1", "peer_rocksdb_get"),
                         ("read_4k", "peer_read_4k"), ("write_4k", "peer_logged_4k"),
                         ("append_64", "peer_overwrite_4k"), ("remove", "peer_rocksdb_put")):
        r = row(res, "inproc", "operations", name=name)
        yield goal_line(r["what"], r, True, peer(beside), unit=" µs", older=OLDER[name])


def goals_list(res):
    why = "a step of RocksDB's iterator for each id: [LIST](#small-commands)"
    few = row(res, "inproc", "operations", name="list_1k")
    yield goal_line(few["what"] + " objects", few, True, why, unit=" µs", older=OLDER["list_1k"])
    most = max(rows(res, "growth", "growth", name="list_many"), key=lambda r: r["objects"])
    short = f"not measured at {LIST_OBJECTS:,}" if most["objects"] < LIST_OBJECTS else ""
    yield goal_line(f"LIST, page of 1,000 of {most['objects']:,} objects", most, True, why, LIST_US,
                    " µs", OLDER["list_most"], short)


def goals_threads(res):
    def gain(name):
        r = row(res, "inproc", "threads", name=name, unit="ratio")
        return f"{r['what'].split(', 4 threads')[0]} gains {r['median']:.2f}"

    for r in rows(res, "inproc", "threads", unit="ratio"):
        if not r["target"]:
            continue
        reads = r["name"] in ("get_1", "read_4k")
        peer = "peer_read_4k" if reads else "peer_write_64k" if "64k" in r["name"] else "peer_rocksdb_put"
        apart = row(res, "inproc", "threads", name=r["name"], unit="apart")
        most = row(res, "inproc", "threads", name=r["name"], unit="most")
        why = (f"the CPUs have time for {most['median']:.2f}, 4 processes with a store each gain "
               f"{apart['median']:.2f}, {gain(peer)}, "
               f"{gain('peer_compute')}: [several threads](#several-threads)")
        yield goal_line(r["what"].replace(" / 1", " ÷ 1"), r, False, why)


def goals_sustain(res):
    for r in rows(res, "sustain", "sustain"):
        if not r["target"]:
            continue
        phase, what = r["what"].split(": ")
        mib = row(res, "sustain", "sustain", what=f"{phase}: MiB written")["median"]
        peer = row(res, "sustain", "sustain", what="plain file, " + r["what"])
        first = row(res, "sustain", "sustain", what=rows(res, "sustain", "sustain")[0]["what"])
        of = phase == first["what"].split(": ")[0] and mib < SUSTAINED
        yield goal_line(f"{number(mib / 1024)} GiB written, {phase}: {what}", r, True,
                        f"a plain file beside it: {number(peer['median']) if peer['median'] else '0'}: "
                        "[writing without pause](#writing-without-pause)",
                        short=f"not measured at {SUSTAINED // 1024} GiB" if of else "")


def goals_security(res):
    why = ("a second integrity value and, where something changes, the record of the outcome: "
           "[CMDRSP](#cmdrsp-over-lio)")
    every = rows(res, "lio", "table3", method=OVER_CAPKEY)
    for name in ("read_4k", "write_4k"):
        r = row(res, "lio", "table3", name=name, method=OVER_CAPKEY)
        yield goal_line("over LIO, " + r["what"].replace(" / ", " ÷ "), r, True, why)
    worst = max((r for r in every if r["name"] not in ("read_4k", "write_4k")),
                key=lambda r: r["median"])
    yield goal_line(f"the dearest of the other {len(every) - 2}: "
                    f"{worst['what'].replace(' / ', ' ÷ ')}", worst, True, why)


def goal_groups(res):
    """What the goals are about, the lines of their table, and what limits those that are missed."""
    return [
        ("over LIO, beside an empty handler", list(goals_lio(res, "empty handler")),
         "each entry into the guest's kernel: [the empty handler](#over-lio-beside-the-empty-handler)"),
        ("over LIO, beside LIO's fileio", list(goals_lio(res, "block LUN")),
         "a handler that does nothing is slower than fileio, which never leaves the kernel: "
         "[TCMU](#over-lio-beside-fileio)"),
        ("in process, beside files", list(goals_ratios(res)),
         "READ verifies a checksum of each block, `pread` does not: "
         "[checksums](#in-process-beside-files)"),
        ("in process, single commands", list(goals_commands(res)) + list(goals_list(res)),
         "the store: [small commands](#small-commands)"),
        ("in process, four threads", list(goals_threads(res)),
         "the machine, and one thread for each store that puts keys into RocksDB: "
         "[several threads](#several-threads)"),
        ("writing for long", list(goals_sustain(res)),
         "the disk: [writing without pause](#writing-without-pause)"),
        ("over LIO, CMDRSP ÷ CAPKEY", list(goals_security(res)),
         "a second integrity value and a record of the outcome, beside a short command: "
         "[CMDRSP](#cmdrsp-over-lio)")]


def is_met(line):
    return line[3] == "met"


def summary(res):
    groups = [(what, sum(map(is_met, lines)), len(lines), why)
              for what, lines, why in goal_groups(res)]
    met, every = (sum(group[i] for group in groups) for i in (1, 2))
    yield f"{met} of {every} goals are met."
    yield ""
    yield from table(["goals", "met", "what limits the others"],
                     [[what, f"{n} of {of}", why if n < of else ""] for what, n, of, why in groups])


def headline(res):
    """What the two commands take that everybody asks for first."""
    def us(part, listing, **tags):
        return number(row(res, part, listing, **tags)["median"])

    read, write = (us("inproc", "operations", name=name) for name in ("read_4k", "write_4k"))
    lio = {lun: [us("lio", "depth_times", name=f"{how} 4 KiB QD1", lun=lun)
                 for how in ("read", "overwrite")] for lun in LUNS}
    return textwrap.wrap(
        f"In process READ of 4 KiB takes {read} µs and an overwrite {write}. One at a time over iSCSI, "
        "LIO and TCMU, in user-mode Linux, they take {} and {} µs, where a handler that does nothing takes "
        "{} and {}, and LIO's fileio {} and {}.".format(
            *lio["object LUN"], *lio["empty handler"], *lio["block LUN"]), 110, break_on_hyphens=False)


def goals(res):
    lines = [line for _, group, _ in goal_groups(res) for line in group]
    return table(["", "goal", "measured", "result", "older target, µs", "what limits it"], lines)


TABLES = {f.__name__: f for f in (summary, headline, goals, operations, ratios, threads, lio_depth,
                                  lio_costs, lio_floor, lio_clients, lio_sizes, table3, secured,
                                  secured_added, budget_cmdrsp, growth, attributes, partitions, sparse,
                                  space, sustain, parts)}


# ---- plots ----

def gnuplot(script):
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit("gnuplot: " + done.stderr)


def plot(path, title, xlabel, ylabel, panels, base=10):
    """panels: [(title, [(name, [(x, median, least, most)])])], side by side, alike; SVG and PNG. Both
    axes are logarithmic, x to that base."""
    every = [p for _, lines in panels for _, points in lines for p in points]
    xs = sorted({p[0] for p in every})
    low, high = (10 ** round_up(math.log10(v)) for v, round_up in (
        (min(p[2] for p in every), math.floor), (max(p[3] for p in every), math.ceil)))
    marks = ", ".join(f"{x:g}" for x in xs[::2 if len(xs) > 8 else 1])
    for ext, term in (("svg", "svg size {w},480 background 'white' font 'sans,12'"),
                      ("png", "pngcairo size {w},480 font 'sans,11'")):
        s = [f"set terminal {term.format(w=460 * len(panels))}", f"set output '{path}.{ext}'",
             f"set logscale x {base}", "set logscale y", f"set xlabel '{xlabel}'",
             f"set ylabel '{ylabel}'", "set format x '10^{%T}'" if base == 10 else f"set xtics ({marks})",
             f"set xrange [{xs[0] / 1.2}:{xs[-1] * 1.2}]", f"set yrange [{low}:{high}]",
             "set key below", "set grid",
             f"set multiplot layout 1,{len(panels)} title '{title}'"]
        for i, (_, lines) in enumerate(panels):
            for j, (_, points) in enumerate(lines):
                s.append(f"$d{i}_{j} << END")
                s += [" ".join(f"{v}" for v in point) for point in points]
                s.append("END")
        for i, (head, lines) in enumerate(panels):
            s.append(f"set title '{head}'")
            s.append("plot " + ", ".join(
                f"$d{i}_{j} with yerrorlines lw 1.5 title '{name}'"
                for j, (name, _) in enumerate(lines)))
        s.append("unset multiplot")
        gnuplot("\n".join(s) + "\n")


def point(x, r):
    return (x, r["median"], r["min"], r["max"])


def plot_sizes(res, path):
    panels = []
    for how, title in (("read", "raw read"), ("allocate", "write, allocating"),
                       ("overwrite", "write, not allocating")):
        lines = [(lun.replace("block", "LIO fileio"),
                  [(r["size"] / 1024, r["size"] / r["median"], r["size"] / r["max"], r["size"] / r["min"])
                   for r in rows(res, "lio", "sizes_times", lun=lun, how=how)]) for lun in LUNS]
        panels.append((title, lines))
    plot(path, "one command at a time, iSCSI and LIO in user-mode Linux", "KiB per command",
         "MB/s", panels, base=2)


GROWTH_PANELS = [("create", "remove", "set_1", "get_1", "get_any"),
                 ("read_4k", "write_4k", "append_64", "list_many")]


def plot_growth(res, path):
    panels = []
    for names in GROWTH_PANELS:
        lines = []
        for n in names:
            every = [r for r in res["growth"]["growth"] if r["name"] == n]
            if every:
                lines.append((every[0]["what"].rsplit(", ", 1)[0],
                              [point(r["objects"], r) for r in every]))
        panels.append(("", lines))
    plot(path, "cost as a partition grows", "objects", "us per command", panels)


def plot_threads(res, path):
    ours, peers = [], []
    for n in dict.fromkeys(r["name"] for r in rows(res, "inproc", "threads")):
        every = sorted((r for r in rows(res, "inproc", "threads", name=n) if "threads" in r),
                       key=lambda r: r["threads"])
        line = (every[0]["what"].split(f", {every[0]['threads']} thr")[0],
                [point(r["threads"], r) for r in every])
        (peers if n.startswith("peer_") else ours).append(line)
    plot(path, "threads on objects of their own, in process", "threads", "thousand commands/s",
         [("commands", ours), ("peers", peers)], base=2)


# ---- the program ----

def gather(parts_dir, results_file):
    results = {}
    if os.path.exists(results_file):
        with open(results_file, encoding="utf-8") as f:
            results = json.load(f)
    for name in glob.glob(os.path.join(parts_dir, "*.json")):
        part = os.path.basename(name)[:-5]
        with open(name, encoding="utf-8") as f:
            found = json.load(f)
        if found["date"] >= results.get(part, found)["date"]:  # another tree may have measured since
            results[part] = found
    for part, lists in LISTS.items():
        for name in lists:
            if name not in results.get(part, {}):
                raise Missing(f"{part}: no {name}; run bench/run --only {part}")
    return results


def check_links(text):
    """Links inside the page lead to a heading, as GitHub names them."""
    seen, anchors = {}, set()
    for line in text:
        if re.match("#+ ", line):
            name = re.sub("[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            anchors.add(name + (f"-{seen[name]}" if name in seen else ""))
            seen[name] = seen.get(name, 0) + 1
    for link in re.findall(r"\]\(#([^)]*)\)", "\n".join(text)):
        if link not in anchors:
            raise Missing(f"no heading #{link}")


def write(parts_dir, out):
    os.makedirs(os.path.join(out, "performance"), exist_ok=True)
    results_file = os.path.join(out, "performance", "results.json")
    res = gather(parts_dir, results_file)
    text = []
    with open(os.path.join(HERE, "performance.in.md"), encoding="utf-8") as f:
        for line in f.read().splitlines():
            text += TABLES[line.split()[1]](res) if line.startswith("@table ") else [line]
    check_links(text)
    for name, draw in (("sizes", plot_sizes), ("growth", plot_growth), ("threads", plot_threads)):
        draw(res, os.path.join(out, "performance", name))
    with open(results_file, "w", encoding="utf-8") as f:
        json.dump(res, f, separators=(",", ":"), sort_keys=True)
        f.write("\n")
    with open(os.path.join(out, "performance.md"), "w", encoding="utf-8") as f:
        f.write("\n".join(text) + "\n")
    count = sum(len(res[p][n]) for p in LISTS for n in LISTS[p])
    print(f"report: {count} rows, {os.path.join(out, 'performance.md')}")


def rows_of(parts_dir):
    names = set()
    for part, lists in LISTS.items():
        with open(os.path.join(parts_dir, part + ".json"), encoding="utf-8") as f:
            res = json.load(f)
        names |= {f"{part}: {name}: {r['what']}" for name in lists for r in res[name]}
    return sorted(names)


def compare_rows(parts_dir, update):
    path = os.path.join(HERE, "rows.txt")
    have = rows_of(parts_dir)
    if update:
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(["# Rows of bench/run --quick; bench/report.py compares."] + have) +
                    "\n")
    with open(path, encoding="utf-8") as f:
        want = [line for line in f.read().splitlines() if not line.startswith("#")]
    for r in sorted(set(want) - set(have)):
        print(f"report: missing: {r}", file=sys.stderr)
    for r in sorted(set(have) - set(want)):
        print(f"report: not in bench/rows.txt (python3 bench/report.py rows {parts_dir} --update): {r}",
              file=sys.stderr)
    print(f"report: {len(have)} rows, {len(want)} expected")
    return 0 if have == want else 1


def note(path, command, mode, load):
    with open(path, encoding="utf-8") as f:
        part = json.load(f)
    part["command"], part["mode"], part["load"] = command, mode, float(load)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(part, f)


def main(args):
    try:
        if len(args) == 5 and args[0] == "note":
            note(*args[1:])
        elif len(args) == 3 and args[0] == "write":
            write(*args[1:])
        elif len(args) in (2, 3) and args[0] == "rows" and args[2:] in ([], ["--update"]):
            return compare_rows(args[1], len(args) == 3)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except Missing as e:
        print(f"report: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
