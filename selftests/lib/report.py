# SPDX-License-Identifier: GPL-2.0
"""
What the runners of others' tests and programs share: the reasons for what differs, and the pages of
Documentation/ that are written from results.
"""
import os
import re
import textwrap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def reasons(folder):
    """FOLDER/reasons.txt: "PATTERN<tab>reason" in each line; the first that matches a name counts."""
    pairs = []
    with open(os.path.join(folder, "reasons.txt")) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                pattern, reason = line.rstrip("\n").split("\t", 1)
                pairs.append((re.compile(pattern + "$"), reason))
    return lambda name: next((r for p, r in pairs if p.match(name)), None)


def by_reason(rows, reason_of):
    """Lines that list [(name, what is said of it)] under their reasons, the most frequent first."""
    groups = {}
    for name, row in rows:
        groups.setdefault(reason_of(name) or "not looked into yet", []).append(row)
    lines = []
    for reason, mine in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines += ["%s (%d)" % (reason, len(mine))] + ["\t- " + row for row in mine] + [""]
    return "\n".join(lines) or "None."


def listed(names):
    """Lines that list names."""
    return "\n".join("- ``%s``" % name for name in names) or "None."


def indented(text):
    """Text as lines behind a tab; what has no spaces is not broken."""
    return textwrap.fill(text, 92, initial_indent="\t", subsequent_indent="\t",
                         break_long_words=False, break_on_hyphens=False)


def write_page(folder, name, values):
    """Documentation/NAME from FOLDER/NAME.in, whose @KEY@ become values."""
    with open(os.path.join(folder, name + ".in")) as file:
        text = file.read()
    for key, value in values.items():
        text = text.replace("@%s@" % key, value)
    with open(os.path.join(TOP, "Documentation", name), "w") as file:
        file.write(text)
