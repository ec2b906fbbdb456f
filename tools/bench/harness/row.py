"""A row of the table: contestants that take turns at the same work, what is measured, and the bounds to be met."""

import dataclasses
import statistics

TOLERANCE = 1.05  # A row is met when the median is within 5 % of its bound.


@dataclasses.dataclass(frozen=True)
class Metric:
    key: str
    heading: str  # with the unit
    digits: int = 1
    is_higher_better: bool = False


CPU_PER_REQUEST = Metric("cpu_us", "CPU us/request", 2)
CPU_PER_GB = Metric("cpu_s_gb", "CPU s/GB", 3)
REQUESTS = Metric("per_second", "requests/s", 0, True)
GB_PER_SECOND = Metric("gb_s", "GB/s", 2, True)
P50 = Metric("p50_us", "p50 us", 0)
P99 = Metric("p99_us", "p99 us", 0)


@dataclasses.dataclass(frozen=True)
class Bound:
    """`ours`, in `metric`, is at most (or at least) `factor` times the best of `of`; without `of`, `factor` itself."""

    metric: Metric
    factor: float
    of: tuple = ()
    ours: str = "gateway"

    def text(self):
        sign = ">=" if self.metric.is_higher_better else "<="
        if not self.of:
            return f"{self.metric.heading} {sign} {self.factor:g}"
        others = self.of[0] if len(self.of) == 1 else f"the best of {', '.join(self.of)}"
        return f"{self.metric.heading} {sign} {self.factor:g}x {others}"

    def judge(self, medians):
        """(verdict, share): how much of the bound is used (1: exactly it); verdict met, missed or skipped."""
        ours = medians.get(self.ours, {}).get(self.metric.key)
        others = [medians[label][self.metric.key] for label in self.of
                  if medians.get(label, {}).get(self.metric.key) is not None]
        if ours is None or (self.of and not others):
            return "skipped", None
        best = max if self.metric.is_higher_better else min
        limit = self.factor * (best(others) if others else 1)
        if self.metric.is_higher_better:
            share = limit / ours
        else:
            share = ours / limit if limit > 0 else (0.0 if ours <= limit else float("inf"))
        return ("met" if share <= TOLERANCE else "missed"), share


@dataclasses.dataclass
class Contestant:
    """`start(bench)` gives the running proxy, or None when nobody stands between; `load(bench, process, size)` gives a dict of
    figures, `work` among them when CPU time is to be divided by it. A contestant without `start` does all in `load`."""

    label: str
    load: object
    start: object = None
    is_proxy: bool = True
    process: object = None

    def open(self, bench):
        if self.start:
            self.process = self.start(bench)

    def close(self):
        if self.process:
            self.process.stop()
            self.process = None

    def measure(self, bench, size):
        if not self.process:
            return self.load(bench, None, size)
        before = self.process.cpu_seconds()
        seen = self.load(bench, self.process, size)
        cpu = self.process.cpu_seconds() - before
        if self.is_proxy and "work" in seen:
            seen |= {"cpu_us": cpu / seen["work"] * 1e6, "cpu_s_gb": cpu / seen["work"] * 1e9,
                     "per_cpu_second": seen["work"] / cpu if cpu else 0}
        return seen


@dataclasses.dataclass
class Row:
    name: str
    title: str
    contestants: list
    metrics: list
    bounds: list
    sizes: tuple  # of the work: (quick, full)
    variant: str = ""
    rounds: int = 0  # 0: as many as the run has
    derive: object = None  # round (label to figures) -> None: adds figures that need those of others

    @property
    def full_name(self):
        return f"{self.name} {self.variant}".strip()


def summarize(rounds):
    """[{label: {key: value}}] to {label: {key: {median, low, high, values}}}."""
    summary = {}
    for one in rounds:
        for label, figures in one.items():
            for key, value in figures.items():
                if value is not None:
                    summary.setdefault(label, {}).setdefault(key, []).append(value)
    return {label: {key: {"median": statistics.median(values), "low": min(values), "high": max(values), "values": values}
                    for key, values in keys.items()} for label, keys in summary.items()}


def medians(summary):
    return {label: {key: one["median"] for key, one in keys.items()} for label, keys in summary.items()}
