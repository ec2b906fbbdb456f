"""RESULTS.md: the last full run."""

from .terminal import spread

SIGNS = {"met": "met", "missed": "**missed**", "skipped": "skipped"}


def render(run, notes):
    lines = ["# The last full run", "",
             "Written by `tools/bench/run --full`; `README.md` says how it is measured. Figures are medians of "
             f"{run.rounds} or more interleaved rounds (lowest-highest). A bound is met when the median is within 5 % of it.",
             "", f"{run.date}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in run.facts.items()]
    if run.skipped:
        lines += ["", f"Skipped, because not installed: {', '.join(run.skipped)}."]
    lines += ["", "| row | bound | used | |", "|---|---|---|---|"]
    for result in run.results:
        for text, verdict, share in result.verdicts:
            lines.append(f"| {result.row.full_name} | {text} | {'' if share is None else f'{share:.2f}'} | {SIGNS[verdict]} |")
        if result.error:
            lines.append(f"| {result.row.full_name} | | | failed |")
    for result in run.results:
        lines += ["", f"## {result.row.full_name}", "", f"{result.row.title[0].upper()}{result.row.title[1:]}.", ""]
        if result.error:
            lines += [f"Failed: {result.error.splitlines()[0]}"]
            continue
        metrics = [metric for metric in result.row.metrics if any(metric.key in keys for keys in result.summary.values())]
        lines += ["| | " + " | ".join(metric.heading for metric in metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
        for label, keys in result.summary.items():
            cells = (spread(metric, keys[metric.key]) if metric.key in keys else "" for metric in metrics)
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        if result.row.full_name in notes:
            lines += ["", notes[result.row.full_name].strip()]
    return "\n".join(lines) + "\n"
