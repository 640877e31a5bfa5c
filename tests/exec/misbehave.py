#!/usr/bin/env python3
"""A child of sink=exec:, for scenarios: writes down what it is given, and misbehaves as told.

Reads `plugin.rules` of its working directory for each batch, one rule a line: WHAT SHARD SEQ N. A
rule acts on a batch with that record (`*`: any), N times over all lives of all children (0:
always). Before anything is written down:

  crash exit hang nack blame later rollback astray ahead garbage half large closed grandchild

and after it: ackexit (acknowledges, and is gone), deaf (reads nothing any more), slow (0.1 s * N),
save, persist (with the acknowledgement), every (saves each Nth batch of a shard), reborn (saves, when
it is not the first child). What it is done with is appended to done.SHARD, a line for each record: its number; `called` says what else it was
told. With a file `hold` it keeps that in memory until it saves, as a transaction would, and saves
at a shutdown too; a file `max_bytes` holds what its hello says.
"""
import fcntl
import json
import os
import signal
import sys
import time

TIMED = ("crash", "exit", "hang", "nack", "blame", "later", "rollback", "astray", "ahead", "garbage",
         "half", "large", "closed", "grandchild", "ackexit", "deaf")
out, checkpoints, held, given = sys.stdout.buffer, {}, {}, {}
hold, reborn = os.path.exists("hold"), os.path.exists("called")


def say(**frame):
    out.write(json.dumps(frame).encode() + b"\n")
    out.flush()


def append(name, text):
    with open(name, "a", encoding="ascii") as file:
        file.write(text)


def may_fire(rule, times):
    """Counts over all lives; the count is written before the rule acts."""
    if rule[0] not in TIMED or times == 0:
        return True
    with open("fired." + ".".join(rule).replace("*", "any"), "a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        fired = len(file.read())
        if fired < times:
            file.write("x")
        return fired < times


def find(shard, seqs):
    """The rules that mean this batch: what, the record's index, n."""
    with open("plugin.rules", encoding="ascii") as file:
        for line in file:
            what, of, seq, times = line.split()
            if of not in ("*", shard) or (seq != "*" and int(seq) not in seqs):
                continue
            if may_fire((what, of, seq), int(times)):
                yield what, 0 if seq == "*" else seqs.index(int(seq)), int(times)


def stand_still():
    while True:
        signal.pause()


def misbehave(what, ident):
    if what == "crash":
        os.abort()
    elif what == "exit":
        os._exit(3)
    elif what == "hang":
        stand_still()
    elif what == "garbage":
        out.write(b"this is no frame\n")
    elif what == "half":
        out.write(b'{"type":"ack","id":%d' % ident)
    elif what == "large":
        out.write(b'{"type":"nack","id":%d,"error":"%s"}\n' % (ident, b"x" * 5000))
    elif what == "closed":
        os.close(1)
        stand_still()
    elif what == "grandchild":
        pid = os.fork()
        if pid == 0:
            os.setsid()
            stand_still()
        append("grandchildren", "%d\n" % pid)
        os._exit(4)
    else:
        return
    out.flush()
    if what == "half":
        os._exit(0)
    stand_still()


def put(shard):
    append("done." + shard, "".join("%d\n" % seq for seq in held.pop(shard, [])))


def process(frame):
    ident, shard = frame["id"], frame["shard"]
    records = sys.stdin.buffer.read(frame["bytes"]).split(b"\n")[:-1]
    seqs = [json.loads(record)["seq"] for record in records]
    rules = list(find(shard, seqs))
    save = {}
    for what, index, _ in rules:
        misbehave(what, ident)
        if what == "nack":
            return say(type="nack", id=ident, error="told to refuse")
        if what == "blame":
            return say(type="nack", id=ident, error="told to blame", index=index)
        if what == "later":
            return say(type="nack", id=ident, error="told to wait", later=True)
        if what in ("rollback", "astray", "ahead"):
            places = {"rollback": checkpoints[shard], "astray": "nowhere", "ahead": frame["next"]}
            held.pop(shard, None)
            return say(type="rollback", id=ident, cursor=places[what])
    for what, _, times in rules:
        if what == "slow":
            for _ in range(times):
                time.sleep(0.1)
                say(type="progress", id=ident)
        elif what in ("save", "persist"):
            save = {"save": True, "persistent": what == "persist"}
        elif what == "reborn" and reborn:
            save = {"save": True}
        elif what == "every":
            given[shard] = given.get(shard, 0) + 1
            save = save or ({"save": True} if given[shard] % times == 0 else {})
    held.setdefault(shard, []).extend(seqs)
    if save or not hold:
        put(shard)
    say(type="ack", id=ident, **save)
    if any(what == "ackexit" for what, _, _ in rules):
        os._exit(5)
    if any(what == "deaf" for what, _, _ in rules):
        stand_still()
    return None


def main():
    for line in iter(sys.stdin.buffer.readline, b""):
        frame = json.loads(line)
        kind = frame["type"]
        if kind == "hello":
            most = {}
            if os.path.exists("max_bytes"):
                with open("max_bytes", encoding="ascii") as file:
                    most = {"max_bytes": int(file.read())}
            say(type="hello", version=1, credits=4, **most)
        elif kind == "batch":
            process(frame)
        else:
            if "checkpoint" in frame or kind == "checkpoint":
                checkpoints[frame["shard"]] = frame.get("checkpoint") or frame["cursor"]
            append("called", "%s %s %s\n" % (kind, frame["shard"], frame.get("reason", "")))
            if kind == "initialize":
                held.pop(frame["shard"], None)
            if kind == "shutdown" and hold:
                put(frame["shard"])
            if "id" in frame:
                say(type="ack", id=frame["id"], **({"save": True} if kind == "shutdown" and hold else {}))


main()
