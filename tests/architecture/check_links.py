#!/usr/bin/env python3
"""Follows every relative link of every Markdown page in a folder, and every path of the folder that a page names.

Fails when a link leads nowhere, out of the folder, or to a heading that its page has not.
Usage: check_links.py FOLDER | --self-test
"""

import pathlib
import re
import sys
import tempfile

CODE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"[\w.-]+(/[\w.*-]+)+/?|[\w.-]+/")
SKIPPED = {"build", ".local", ".git"}


def anchors_of(text):
    """The names of a page's headings, as a renderer makes them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", text), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def complaints_of(root, page):
    text = page.read_text(encoding="utf-8")
    prose = CODE.sub("", text)
    for link in LINK.findall(SPAN.sub("code", prose)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_relative_to(root):
            yield f"{page.relative_to(root)}: {link} leads out of the folder"
        elif not target.exists():
            yield f"{page.relative_to(root)}: {link} leads nowhere"
        elif anchor and anchor not in anchors_of(target.read_text(encoding="utf-8")):
            yield f"{page.relative_to(root)}: {link}: the page has no such heading"
    for span in SPAN.findall(prose):
        word = span.split()[0] if span.split() else ""
        top = word.split("/")[0]
        if PATH.fullmatch(word) and top not in SKIPPED and (root / top).is_dir() and not any(root.glob(word.rstrip("/"))):
            yield f"{page.relative_to(root)}: there is no {word}"


def check(root):
    root = root.resolve()
    pages = [page for page in sorted(root.rglob("*.md")) if not SKIPPED & set(page.relative_to(root).parts)]
    return ([] if pages else [f"{root} has no pages"]) + [one for page in pages for one in complaints_of(root, page)]


def self_test():
    """The check itself can fail: each dead link is seen, each living one is not."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder, "root").resolve()
        (root / "docs").mkdir(parents=True)
        (root / "README.md").write_text("# One, `two`!\n")
        (root.parent / "outside.md").write_text("")
        page = root / "docs/page.md"

        def said(text):
            page.write_text(text)
            return check(root)

        wrong = ["[a](nowhere.md)", "[a](../docs/nowhere/)", "[a](../../outside.md)", "[a](#nothing)", "[a](../README.md#three)",
                 "`docs/nowhere.md`", "`docs/no*.cpp`", "`docs/run --fast`"]
        right = ["[a](../README.md)", "[`a`](..)", "[a](https://example.com/x)", "# Here\n[a](#here)", "[a](../README.md#one-two)",
                 "`docs/page.md`", "`docs/*.md`", "`docs/`", "`text/plain`", "`[a](nowhere)`", "```\n[a](nowhere)\n```\n", "`build/x/y`"]
        return ([f"not seen: {text}" for text in wrong if len(said(text)) != 1]
                + [f"seen wrongly: {text}: {said(text)}" for text in right if said(text)])


def main():
    problems = self_test() if sys.argv[1:] == ["--self-test"] else check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) if problems else "every link leads somewhere")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
