#!/usr/bin/env python3
"""A processor for sink=exec:COMMAND. Copy it, and write process().

    lts-supervisor ... --sink "exec:python3 exec_processor.py"

Standard library only. stdout carries the frames: print() for people goes to stderr, which ends
up in the agent's log.
"""
import json
import sys


class Later(Exception):
    """Not now: the same records again after a while; does not count as an attempt."""


class Bad(Exception):
    """This record cannot be processed: Bad(index, why)."""

    def __init__(self, index, why):
        super().__init__(why)
        self.index = index


class Processor:
    """One per shard."""

    def initialize(self, shard, checkpoint):
        self.shard = shard

    def process(self, records):
        """A list of dicts. To return is to acknowledge; any exception refuses them all.
        With checkpoint_mode=manual, return True to save: the checkpoint may pass them."""
        for record in records:
            print(self.shard, record.get("log_content"), file=sys.stderr)

    def shutdown(self, reason):
        """`stopping` or `finished`. Returns as process() does."""

    def lease_lost(self):
        """The shard is somebody else's by now."""


class Channel:
    def __init__(self, make):
        self.make = make
        self.shards = {}
        self.stdin = sys.stdin.buffer
        self.stdout = sys.stdout.buffer
        sys.stdout = sys.stderr  # a stray print() must not be taken for a frame

    def say(self, **frame):
        self.stdout.write(json.dumps(frame).encode() + b"\n")
        self.stdout.flush()

    def read_records(self, size):
        data = self.stdin.read(size)
        if len(data) != size:
            sys.exit(0)  # the agent is gone
        return [json.loads(line) for line in data.split(b"\n")[:-1]]

    def on_initialize(self, frame):
        processor = self.make()
        processor.initialize(frame["shard"], frame["checkpoint"])
        self.shards[frame["shard"]] = processor

    def on_batch(self, frame):
        records = self.read_records(frame["bytes"])
        return self.shards[frame["shard"]].process(records)

    def on_shutdown(self, frame):
        return self.shards.pop(frame["shard"]).shutdown(frame["reason"])

    def on_lease_lost(self, frame):
        processor = self.shards.pop(frame["shard"], None)
        if processor:
            processor.lease_lost()

    def answer(self, frame):
        """Does what one frame asks for; what has an id is answered, whatever happens."""
        handler = getattr(self, "on_" + frame["type"], None)
        if "id" not in frame:
            if handler:
                handler(frame)
            return
        try:
            save = handler(frame) is True
            self.say(type="ack", id=frame["id"], save=save)
        except Later as why:
            self.say(type="nack", id=frame["id"], error=str(why)[:500], later=True)
        except Bad as why:
            self.say(type="nack", id=frame["id"], error=str(why)[:500], index=why.index)
        except Exception as why:  # pylint: disable=broad-except
            self.say(type="nack", id=frame["id"], error=repr(why)[:500])

    def run(self):
        for line in iter(self.stdin.readline, b""):
            frame = json.loads(line)
            if frame["type"] == "hello":
                self.say(type="hello", version=1, credits=4)
            else:
                self.answer(frame)


if __name__ == "__main__":
    Channel(Processor).run()
