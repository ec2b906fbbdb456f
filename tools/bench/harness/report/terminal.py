"""The table in the terminal, and a line of progress while it grows."""

import os
import shutil
import sys

COLORS = {"met": "\033[32m", "missed": "\033[31m", "skipped": "\033[33m", "bold": "\033[1m", "dim": "\033[2m"}
HAS_COLOR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text, color):
    return f"{COLORS[color]}{text}\033[0m" if HAS_COLOR else text


def progress(row, label, what):
    line = f"{row.full_name:<16} {label:<14} {what}"
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + line[:shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()


def number(metric, value):
    return f"{value:,.{metric.digits}f}"


def spread(metric, one):
    """median (low-high)."""
    return f"{number(metric, one['median'])} ({number(metric, one['low'])}-{number(metric, one['high'])})"


def row(result):
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    definition, summary = result.row, result.summary
    print(f"\n{paint(definition.full_name, 'bold')}  {definition.title}")
    if result.error:
        print(paint(f"    failed: {result.error}", "missed"), flush=True)
        return
    metrics = [metric for metric in definition.metrics if any(metric.key in keys for keys in summary.values())]
    width = max(len(label) for label in summary) + 2
    print(paint(" " * (4 + width) + "".join(f"{metric.heading:>28}" for metric in metrics), "dim"))
    for label, keys in summary.items():
        cells = (spread(metric, keys[metric.key]) if metric.key in keys else "-" for metric in metrics)
        print(f"    {label:<{width}}" + "".join(f"{cell:>28}" for cell in cells))
    for text, verdict, share in result.verdicts:
        used = "" if share is None else f"   at {share:.2f} of the bound"
        print(f"    {paint(verdict.upper(), verdict):<7}  {text}{used}")
    sys.stdout.flush()
