#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""errnos.py FOUR SIX: joins what sk_errno --rst said over IPv4 and over IPv6, checks that it has each errno of the man
pages that it is about, and prints Documentation/errnos.rst. errnos.py --check checks that page alone."""

import gzip
import pathlib
import re
import sys

PAGES = ["socket(2)", "bind(2)", "listen(2)", "accept(2)", "connect(2)", "send(2)", "recv(2)", "shutdown(2)",
         "getsockopt(2)", "tcp(7)", "ip(7)", "ipv6(7)"]
# As tcp(7) writes it.
SPELT = {"EAFNOTSUPPORT": "EAFNOSUPPORT"}


def left_out():
    """Whether packages come without their man pages here, as in many containers."""
    return any(re.search(r"^path-exclude\s*=\s*/usr/share/man", file.read_text(), re.M)
               for file in pathlib.Path("/etc/dpkg/dpkg.cfg.d").glob("*"))


def named(page):
    """The errnos of a page's section ERRORS, and of accept(2)'s text; None if the page is not installed."""
    name, section = re.fullmatch(r"(\w+)\((\d)\)", page).groups()
    file = pathlib.Path(f"/usr/share/man/man{section}/{name}.{section}.gz")
    if not file.exists():
        return None
    text = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
    section = re.search(r"^\.SH ERRORS$(.*?)^\.SH ", text, re.S | re.M)
    heads = re.findall(r"^\.BR? (E[A-Z].*)$", section.group(1), re.M) if section else []
    heads += re.findall(r"^In the case of TCP/IP, these are$(.*?)^\.S", text, re.S | re.M)
    found = {word for head in heads for word in re.findall(r"\bE[A-Z0-9]{3,}\b", head)}
    return {SPELT.get(word, word) for word in found}


def rows(text):
    return re.findall(r"^   \* - (.*)\n     - (.*)\n     -(.*)\n     - (.*)$", text, re.M)


def lacking(table):
    """Says what the man pages have and the table has not."""
    bad = 0
    for page in PAGES:
        wanted = named(page)
        if wanted is None:
            print(f"errnos.py: {page} is not installed", file=sys.stderr)
            bad |= not left_out()
            continue
        have = {name for row in table if row[0] == page for name in row[1].split()}
        for name in sorted(wanted - have):
            print(f"errnos.py: {page} has {name}, and the table has not", file=sys.stderr)
            bad = 1
    return bad


def check():
    table = rows(pathlib.Path("Documentation/errnos.rst").read_text())[1:]
    bad = lacking(table)
    for page, names, when, state in table:
        if state == "differs":
            print(f"errnos.py: {page}: {names}{when} differs", file=sys.stderr)
            bad = 1
    return bad


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    four, six = (pathlib.Path(file).read_text() for file in sys.argv[1:3])
    four, six = four[four.find(".. SPDX"):], six[six.find(".. SPDX"):]
    over4 = {row[:3]: row[3] for row in rows(four)}
    table = rows(six)[1:]
    bad = lacking(table)
    print(six[:six.index("   * - Page")] + "   * - Page\n     - Errno\n     - When\n     - Both stacks, or why not")
    for page, names, when, state in table:
        if state == "same" and over4.get((page, names, when), "same") != "same":
            state = "differs"
        bad |= state == "differs"
        print(f"   * - {page}\n     - {names}\n     -{when}\n     - {state}")
    return bad


sys.exit(main())
