"""What the stand-ins were told, and whether the nodes hold it.

Invariant: what is unknown may be there or not; what was acknowledged must be there, on every node that is asked,
and what was refused must not.
"""

import collections
import pathlib

from resp import Failed

CHUNK = 200


class Told:
    """All journals of one load."""

    def __init__(self, folders: dict[int, pathlib.Path], label: str):
        self.label = label
        self.steps, self.numbers, self.log = [], [], []
        self.steps_unknown = self.numbers_unknown = self.log_unknown = 0
        self.transfers, self.events = {}, {}
        self.files = collections.defaultdict(collections.Counter)
        self.seen: dict[int, list[int]] = {}
        self.trouble = collections.defaultdict(list)
        self.slowest_ms = collections.Counter()
        for host, folder in folders.items():
            for path in sorted(folder.glob(f"{label}.journal.*")):
                seen = []
                # A host that was switched off leaves a line half written.
                for line in path.read_text().splitlines(keepends=True):
                    if line.endswith("\n"):
                        self.read(host, line.split(), seen)
                if path.name.endswith(".0"):
                    self.seen[host] = seen

    def read(self, host: int, words: list[str], seen: list[int]):
        kind, rest = words[0], words[1:]
        if kind == "S":
            self.steps.append(int(rest[0]))
        elif kind == "N":
            self.numbers.extend(range(int(rest[0]), int(rest[0]) + int(rest[1])))
        elif kind == "G":
            self.log.append(int(rest[0]))
        elif kind == "s":
            self.steps_unknown += 1
        elif kind == "n":
            self.numbers_unknown += int(rest[0])
        elif kind == "g":
            self.log_unknown += 1
        elif kind == "T":
            self.transfers[rest[0]] = rest[1]
        elif kind == "E":
            self.events[int(rest[0])] = (f"{self.label}.{host}", rest[1])
        elif kind == "F":
            self.files[rest[0]][rest[1]] += 1
        elif kind == "Y":
            seen.append(int(rest[0]))
        elif kind == "D":
            self.slowest_ms[host] = max(self.slowest_ms[host], int(rest[0]))
        elif kind in "XLW":
            self.trouble[host].append(" ".join(words))

    def acknowledged(self) -> int:
        return len(self.steps) + len(self.numbers) + len(self.log)

    def untroubled(self, *hosts: int):
        """The stand-ins of these hosts met no error, and lost no connection."""
        for host in hosts:
            if self.trouble[host]:
                raise Failed(f"host {host} met {len(self.trouble[host])}: {self.trouble[host][:5]}")

    def no_errors(self, *hosts: int):
        """The stand-ins of these hosts may have lost connections, but met no error and nothing wrong."""
        for host in hosts:
            bad = [line for line in self.trouble[host] if line[0] in "XW"]
            if bad:
                raise Failed(f"host {host} met {len(bad)}: {bad[:5]}")

    def check(self, clients: dict, cut_off: set[int] = frozenset()):
        """Compares with every node. What the workers of a host that was switched off had open has no line: it is
        unknown as well, so that sums may be higher than what is told."""
        wrong = []
        for what, told in (("changes", self.steps), ("events", self.numbers), ("the log", self.log)):
            twice = [n for n, count in collections.Counter(told).items() if count > 1]
            if twice:
                wrong.append(f"numbers of {what} given twice: {sorted(twice)[:5]}")
        for host, seen in self.seen.items():
            if seen != sorted(set(seen)):
                wrong.append(f"the poller of host {host} saw an event twice or out of order")
            elif host not in cut_off and seen != list(range(1, len(seen) + 1)):
                wrong.append(f"the poller of host {host} missed events")
            missed = set(self.log) - set(seen)
            # The poller looks once more a second after its end; what others did meanwhile is later than that.
            missed = {n for n in missed if seen and n <= seen[-1]}
            if missed and host not in cut_off:
                wrong.append(f"the poller of host {host} never saw {sorted(missed)[:5]}")
        for node, client in clients.items():
            wrong += [f"host {node}: {text}" for text in self.compare(client, bool(cut_off))]
        if wrong:
            raise Failed(f"{len(wrong)} wrong: " + "; ".join(wrong[:8]))

    def compare(self, client, unfinished: bool) -> list[str]:
        wrong = []
        for key, told in (("xfer", self.steps), ("ev", self.numbers), ("log", self.log)):
            value = int(client("GET", f"m:{key}:seq:str") or 0)
            if told and value < max(told):
                wrong.append(f"m:{key}:seq:str is {value} and was {max(told)}")
            most = len(told) + {"xfer": self.steps_unknown, "ev": self.numbers_unknown, "log": self.log_unknown}[key]
            if value < len(told) or (value > most and not unfinished):
                wrong.append(f"m:{key}:seq:str is {value}, not {len(told)} to {most}")
        for id, outcome in self.transfers.items():
            there = client("HGET", f"m:xfer:{id}:hash", "id") == id
            listed = client("ZSCORE", "m:xfer:bymod:zset", id) is not None
            if outcome == "A" and not (there and listed) or outcome == "R" and (there or listed):
                wrong.append(f"transfer {id}, {outcome}: there {there}, listed {listed}")
        for id, files in self.files.items():
            count = client("LLEN", f"m:xfer:{id}:files:list")
            if count < files["A"] or count > files["A"] + files["U"] and not unfinished:
                wrong.append(f"transfer {id} has {count} files, not {files['A']} to {files['A'] + files['U']}")
        numbers = sorted(self.events)
        for start in range(0, len(numbers), CHUNK):
            chunk = numbers[start : start + CHUNK]
            values = client("MGET", *(f"m:ev:{n}:str" for n in chunk))
            listed = client("ZMSCORE", "m:ev:idx:zset", *chunk)
            for number, value, score in zip(chunk, values, listed):
                label, outcome = self.events[number]
                there = (value or "").startswith(f"{label}:{number}:")
                if outcome == "A" and not (there and score) or outcome == "R" and (there or score):
                    wrong.append(f"event {number}, {outcome}: there {there}, listed {score}")
        return wrong
