"""The command line of tools/bench/run."""

import argparse
import dataclasses
import datetime
import json
import pathlib
import re
import sys

from . import machine, places
from .bench import Bench
from .peers import PEERS
from .processes import Failed
from .report import html, markdown, terminal
from .row import medians
from .rows import all_rows

RESULTS = pathlib.Path(__file__).parent.parent / "RESULTS.md"
NOTES = pathlib.Path(__file__).parent.parent / "notes.md"


@dataclasses.dataclass
class Result:
    row: object
    summary: dict
    verdicts: list
    error: str = ""

    @property
    def anchor(self):
        return re.sub(r"\W+", "-", self.row.full_name)

    @property
    def state(self):
        states = {verdict for _, verdict, _ in self.verdicts}
        return "missed" if self.error or "missed" in states else "met" if "met" in states else "skipped"


@dataclasses.dataclass
class Run:
    date: str
    rounds: int
    facts: dict
    skipped: list
    results: list

    def json(self):
        return {"date": self.date, "rounds": self.rounds, "facts": self.facts, "skipped": self.skipped,
                "rows": [{"row": result.row.full_name, "title": result.row.title, "error": result.error,
                          "summary": result.summary,
                          "verdicts": [{"bound": text, "verdict": verdict, "used": share}
                                       for text, verdict, share in result.verdicts]} for result in self.results]}


def measure(bench, row):
    try:
        summary = bench.run(row)
    except Failed as failure:
        return Result(row, {}, [], str(failure))
    return Result(row, summary, [(bound.text(), *bound.judge(medians(summary))) for bound in row.bounds])


def notes():
    """What notes.md says about rows: a heading of two signs names the row."""
    if not NOTES.exists():
        return {}
    return {name.strip(): text for name, text in re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", NOTES.read_text(), re.M)}


def parse():
    parser = argparse.ArgumentParser(prog="tools/bench/run", description="Measures the gateway beside other proxies.")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="small work, one round: only proves that the bench works")
    kind.add_argument("--full", action="store_true", help="every row; writes RESULTS.md")
    parser.add_argument("--rows", help="U1,S1: only these")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {','.join(PEERS)}")
    parser.add_argument("--rounds", type=int, help="default 5; 1 with --quick")
    parser.add_argument("--out", type=pathlib.Path, default=places.OUT, help="folder for result.json and report.html")
    return parser.parse_args()


def main():
    options = parse()
    labels = options.peers.split(",") if options.peers else []
    for label in labels:
        if label not in PEERS:
            sys.exit(f"no peer '{label}'; there are {', '.join(PEERS)}")
    wanted = options.rows.split(",") if options.rows else None
    bench = Bench(labels, not options.quick, options.rounds or (1 if options.quick else 5), terminal.progress)
    try:
        for label in bench.skipped:
            print(f"skipped: {label} is not installed ('tools/prepare bench' installs it)")
        rows = [row for row in all_rows(bench) if wanted is None or row.name in wanted]
        results = []
        for row in rows:
            results.append(measure(bench, row))
            terminal.row(results[-1])
        run = Run(f"{datetime.datetime.now():%Y-%m-%d %H:%M}", bench.rounds, machine.facts(bench), bench.skipped, results)
    finally:
        bench.close()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "result.json").write_text(json.dumps(run.json(), indent=1))
    (options.out / "report.html").write_text(html.render(run))
    if options.full and wanted is None:
        RESULTS.write_text(markdown.render(run, notes()))
    print(f"\n{options.out / 'report.html'}")
    # Bounds decide nothing here: a machine that is shared must not fail a build. What does not run at all does.
    return 1 if not results or any(result.error for result in results) else 0


sys.exit(main())
