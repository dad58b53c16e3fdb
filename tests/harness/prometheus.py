"""Prometheus' text format (exposition format 0.0.4), read strictly."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:\\[\\"n]|[^"\\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL},?)*)\}})? (\S+)")
KINDS = ("counter", "gauge", "histogram", "summary", "untyped")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


class Metrics:
    """Samples by name and labels. AssertionError for what Prometheus would not take, or would misread."""

    def __init__(self, text):
        self.kinds = {}
        self._values = {}
        self._family = None
        assert text.endswith("\n")
        for line in text[:-1].split("\n"):
            self._read(line)
        self._check_histograms()

    def get(self, name, **labels):
        """A sample's value; 0 where it is not there."""
        return self._values.get((name, frozenset(labels.items())), 0)

    def total(self, name, **labels):
        """The sum over all samples that have these labels and any others."""
        wanted = set(labels.items())
        return sum(value for (have, labels), value in self._values.items() if have == name and wanted <= labels)

    def labels(self, name):
        """The label sets of a metric."""
        return [dict(labels) for have, labels in self._values if have == name]

    def names(self):
        return {name for name, _ in self._values}

    def _read(self, line):
        assert line and not line.startswith(" "), f"{line!r}"
        if line.startswith("#"):
            self._read_comment(line)
            return
        found = SAMPLE.fullmatch(line)
        assert found, f"no sample: {line!r}"
        name = found[1]
        kind = self.kinds.get(self._family)
        assert name in [self._family + suffix for suffix in SUFFIXES.get(kind, ("",))], f"{line!r} under {self._family}"
        labels = re.findall(LABEL, found[2] or "")
        assert len(dict(labels)) == len(labels), f"a label twice: {line!r}"
        key = (name, frozenset(labels))
        assert key not in self._values, f"a sample twice: {line!r}"
        value = float(found[found.re.groups])
        assert kind == "gauge" or value >= 0 and not math.isnan(value), line
        self._values[key] = value

    def _read_comment(self, line):
        mark, what, name, rest = line.split(" ", 3)
        assert mark == "#" and re.fullmatch(NAME, name) and rest, line
        if what == "HELP":
            assert name not in self.kinds, f"{name} is described twice"
            self._family = name
            self.kinds[name] = None
        else:
            assert what == "TYPE" and name == self._family and rest in KINDS and self.kinds[name] is None, line
            self.kinds[name] = rest

    def _check_histograms(self):
        for family in [name for name, kind in self.kinds.items() if kind == "histogram"]:
            series = {}
            for (name, labels), value in self._values.items():
                if name == f"{family}_bucket":
                    others = frozenset(pair for pair in labels if pair[0] != "le")
                    series.setdefault(others, []).append((float(dict(labels)["le"]), value))
            for labels, buckets in series.items():
                counts = [count for _, count in sorted(buckets)]
                assert counts == sorted(counts), f"{family}: buckets are not cumulative"
                assert sorted(buckets)[-1][0] == math.inf
                assert counts[-1] == self._values[f"{family}_count", labels]
                assert (f"{family}_sum", labels) in self._values
