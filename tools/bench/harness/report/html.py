"""The page: one self-contained file with a plot for each row."""

import html
import pathlib

from .terminal import number

STYLE = (pathlib.Path(__file__).parent / "page.css").read_text()
BAR, GAP, LEFT, WIDTH, RIGHT = 22, 8, 120, 520, 110


def plot(metric, summary):
    """Bars of the medians with whiskers from lowest to highest; ours stands out."""
    bars = [(label, keys[metric.key]) for label, keys in summary.items() if metric.key in keys]
    if not bars:
        return ""
    most = max(max(one["high"] for _, one in bars), 1e-12)
    scale = WIDTH / most
    height = len(bars) * (BAR + GAP) + GAP
    parts = [f'<figure><figcaption>{html.escape(metric.heading)}'
             f'<small>{"more is better" if metric.is_higher_better else "less is better"}</small></figcaption>'
             f'<svg viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img" aria-label="{html.escape(metric.heading)}">']
    for index, (label, one) in enumerate(bars):
        top = GAP + index * (BAR + GAP)
        middle = top + BAR / 2
        kind = "ours" if label == "gateway" else "peer"
        end = LEFT + max(0, one["median"]) * scale
        low, high = (LEFT + max(0, one[edge]) * scale for edge in ("low", "high"))
        parts.append(
            f'<g class="{kind}"><title>{html.escape(label)}: {number(metric, one["median"])} '
            f'({number(metric, one["low"])} to {number(metric, one["high"])})</title>'
            f'<text class="label" x="{LEFT - 10}" y="{middle + 4}">{html.escape(label)}</text>'
            f'<rect x="{LEFT}" y="{top}" width="{max(1.5, end - LEFT):.1f}" height="{BAR}" rx="3"/>'
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"/>'
            f'<text class="value" x="{max(end, high) + 8:.1f}" y="{middle + 4}">{number(metric, one["median"])}</text></g>')
    return "".join(parts) + "</svg></figure>"


def verdicts(result):
    return "".join(
        f'<li class="{verdict}"><b>{verdict}</b> {html.escape(text)}'
        + (f'<span class="meter"><i style="width:{min(share, 2) * 50:.0f}%"></i></span><small>{share:.2f}</small>'
           if share is not None else "") + "</li>" for text, verdict, share in result.verdicts)


def section(result):
    body = f"<pre>{html.escape(result.error)}</pre>" if result.error else \
        f'<div class="plots">{"".join(plot(metric, result.summary) for metric in result.row.metrics)}</div>'
    return (f'<section id="{result.anchor}"><h2><span>{html.escape(result.row.full_name)}</span> '
            f'{html.escape(result.row.title)}</h2><ul class="bounds">{verdicts(result)}</ul>{body}</section>')


def render(run):
    count = {kind: sum(verdict == kind for result in run.results for _, verdict, _ in result.verdicts)
             for kind in ("met", "missed", "skipped")}
    tiles = "".join(f'<a class="{result.state}" href="#{result.anchor}">{html.escape(result.row.full_name)}</a>'
                    for result in run.results)
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in run.facts.items())
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>Spark Gateway, side by side</title><style>{STYLE}</style><main>"
            f'<header><h1>Spark Gateway, side by side</h1><p>{html.escape(run.date)} &middot; {run.rounds} interleaved rounds '
            f'&middot; <b class="met">{count["met"]} met</b> &middot; <b class="missed">{count["missed"]} missed</b>'
            f'{" &middot; " + str(count["skipped"]) + " skipped" if count["skipped"] else ""}</p>'
            f'<nav>{tiles}</nav></header>{"".join(map(section, run.results))}'
            f"<section><h2>Measured on</h2><dl>{facts}</dl></section></main></html>")
