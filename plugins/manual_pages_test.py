#!/usr/bin/env python3
"""Each plugin's README is a manual page of one shape, and its tables name what the code has."""

import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = sorted(path.parent for path in HERE.glob("*/plugin.cpp"))
SECTIONS = ["Description", "Settings", "Statuses returned", "Metrics", "Example"]


def sources(folder):
    return "".join(path.read_text() for path in sorted(folder.glob("*.[hc]*")) if not path.stem.endswith("_test"))


def table(page, section):
    """What the first column of the section's table has in backquotes."""
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`([^`]+)`", row)}


class ManualPages(unittest.TestCase):
    def test_every_plugin_has_a_page_of_the_same_sections(self):
        for folder in PLUGINS:
            page = (folder / "README.md").read_text()
            self.assertRegex(page, rf"\A# {folder.name}\n\n\S", folder.name)
            # More may follow.
            self.assertEqual(re.findall(r"^## (.*)$", page, re.M)[:len(SECTIONS)], SECTIONS, folder.name)
            self.assertIn(f"use: {folder.name}", page.split("\n## Example\n")[1], folder.name)

    def test_every_setting_is_on_its_page_and_no_other(self):
        for folder in PLUGINS:
            code = sources(folder)
            rows = table((folder / "README.md").read_text(), "Settings")
            if "SGW_LAUNCHER" in code:
                code += (HERE.parent / "sdk/include/sgw/detail/warm_pool_rules.h").read_text()
            owners = {re.search(r"(\w+)\)\s*$", (folder / "plugin.cpp").read_text())[1], "WarmPoolRules"}
            for member in re.findall(r"Inlined\(&\w+::(\w+)", code):
                owners |= set(re.findall(rf"(\w+) {member}(?:;|{{| =)", code))
            settings = re.findall(r'Setting\(\s*"(\w+)",\s*&(\w+)::', code)
            # The members of another struct are described in the row of the setting that it is in.
            self.assertEqual(rows, {name for name, owner in settings if owner in owners}, folder.name)

    def test_every_metric_is_on_its_page(self):
        for folder in PLUGINS:
            names = set(re.findall(r'"(spark_gateway_\w+)"', sources(folder)))
            page = (folder / "README.md").read_text().split("\n## Metrics\n")[1]
            self.assertFalse({name for name in names if name not in page}, folder.name)

    def test_every_field_of_an_audit_line_is_on_its_page_in_its_order(self):
        folder = HERE / "audit_jsonl"
        code = sources(folder).split("LineOf(const Record& record) {")[1].split("\n}\n")[0]
        written = re.findall(r'(?:text|Member|Key)\("(\w+)"', code)
        self.assertGreater(len(written), 20)
        page = (folder / "README.md").read_text().split("Fields, where they apply: `")[1]
        self.assertEqual(page.split("`")[0].split(), written)

    def test_every_metric_of_the_core_is_on_the_page_of_what_shows_it(self):
        text = "".join(path.read_text() for path in sorted((HERE.parent / "core").rglob("*.cpp")))
        names = set(re.findall(r'"(spark_gateway_\w+)"', text))
        self.assertGreater(len(names), 20)
        page = (HERE / "metrics_prometheus" / "README.md").read_text()
        ends = ("_opened_total", "_closed_total", "_lost_total")  # of three in one row
        self.assertFalse({name for name in names if name not in page and not name.endswith(ends)})


if __name__ == "__main__":
    unittest.main(verbosity=2)
