#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""compliance.py [--check] LOG: writes Documentation/compliance.rst.
compliance.py --vm LOG: only looks whether the tests of the VM that the page names ran and passed.

LOG is what `cargo test` of selftests/host printed. Rules come from selftests/host/rfc9293.tsv and
features.tsv; tests are found by what they cite: an identifier such as MUST-36, or an RFC and a section,
in the comment right above a test or in its name (rfc6298_5_...); for features also a setting, an option or a
counter by its name. Tests that run in the VM are listed as such, the comment at the top of a program or script
being one of the whole; their results are not in LOG (--vm takes the suite's own). It fails if a MUST, a SHOULD
or a feature has neither a test nor a deviation that is stated, or if a test failed or did not run. With
--check nothing is written, and it fails too if the file is not what it would be.
"""
import glob
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
RULES = "selftests/host/rfc9293.tsv"
FEATURES = "selftests/host/features.tsv"
TABLE = "Documentation/compliance.rst"
RULE = re.compile(r"\b(?:MUST|SHLD|MAY|REC)-\d+\b")
RFC = re.compile(r"\bRFC (\d{3,4})\b(?:,? (?:sections? |figures? )?(\d+(?:\.\d+)*))?")
NAME = re.compile(r"(?:rfc(\d{3,4})|([a-z]+_draft))_((?:(?:section_)?\d+_)+)")


class Test:
    def __init__(self, name, path, text, result):
        self.name, self.path, self.text, self.result = name, path, text, result
        self.drafts = set()
        stem = os.path.splitext(os.path.basename(path))[0]
        # Names of tests in the VM are short; the program's stands in front, or alone for all of it.
        self.label = name if result != "VM" else os.path.basename(path) if name == stem else f"{stem}.{name}"
        self.rules = set(RULE.findall(text))
        self.rfcs = {rfc for rfc, _ in RFC.findall(text)}
        self.sections = {pair for pair in RFC.findall(text) if pair[1]}
        for rfc in re.findall(r"rfc(\d{3,4})", name):
            self.rfcs.add(rfc)
        for rfc, draft, section in NAME.findall(name):
            (self.sections if rfc else self.drafts).add((rfc or draft, ".".join(re.findall(r"\d+", section))))

    def cites(self, term):
        """A term of features.tsv: "RFC 6298 5" (or a part of that section), "RFC 1337", "bbr_draft 5.3.1",
        "MUST-10", or a word."""
        if RULE.fullmatch(term):
            return term in self.rules
        match = re.fullmatch(r"(?:RFC (?=\d))?(\d+|\w+_draft)(?: ([\d.]+))?", term)
        if not match:
            return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", self.text) is not None
        rfc, section = match.groups()
        if not section:
            return rfc in self.rfcs
        return any(r == rfc and f"{s}.".startswith(f"{section}.") for r, s in self.sections | self.drafts)


def results(log):
    """Test name (without its module) -> pass or FAIL."""
    found = {}
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = re.match(r"test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)", line)
            if match:
                found[match[1].split("::")[-1]] = "pass" if match[2] == "ok" else "FAIL"
    return found


def rust_tests(path, outcome):
    comment, is_test = [], False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if line.startswith("//"):
                if is_test:
                    is_test, comment = False, []
                comment.append(line.lstrip("/! "))
            elif line == "#[test]":
                is_test = True
            elif is_test and (match := re.match(r"fn (\w+)", line)):
                name = match[1]
                yield Test(name, path, " ".join(comment), outcome.get(name, "not run"))
                comment, is_test = [], False
            elif not line.startswith("#["):
                comment, is_test = [], False


def python_tests(path):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if match := re.search(r'^"""(.*?)"""', text, re.S | re.M):
        yield Test(os.path.splitext(os.path.basename(path))[0], path, " ".join(match[1].split()), "VM")
    for name, doc in re.findall(r'^def (\w+)\(.*?\):\n\s+"""(.*?)"""', text, re.S | re.M):
        yield Test(name, path, " ".join(doc.split()), "VM")


def c_tests(path):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if match := re.search(r"/\*((?:(?!\*/).)*)\*/\n#", text, re.S):
        yield Test(os.path.splitext(os.path.basename(path))[0], path, " ".join(match[1].replace("*", " ").split()), "VM")
    for doc, name in re.findall(r"/\*((?:(?!\*/).)*)\*/\nstatic void (test_\w+)", text, re.S):
        yield Test(name, path, " ".join(doc.replace("*", " ").split()), "VM")


def scripts(path):
    comment = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                break
            if not re.match(r"#!|# (SPDX|shellcheck)", line):
                comment.append(line.lstrip("# ").strip())
    yield Test(os.path.splitext(os.path.basename(path))[0], path, " ".join(comment), "VM")


def tests(outcome):
    for path in sorted(glob.glob("rust/tcp/**/*.rs", recursive=True)):
        yield from rust_tests(path, outcome)
    for path in sorted(glob.glob("selftests/host/src/**/*.rs", recursive=True)):
        yield from rust_tests(path, outcome)
    for path in sorted(glob.glob("selftests/wire/*.py")):
        yield from python_tests(path)
    for path in sorted(glob.glob("selftests/prog/*.c")):
        yield from c_tests(path)
    for path in sorted(glob.glob("selftests/net/*.sh")):
        yield from scripts(path)


def verdict(found):
    if not found:
        return "no test"
    kinds = {test.result for test in found}
    for kind in ("FAIL", "not run", "pass"):
        if kind in kinds:
            return kind
    return "in the VM"


def cell(found):
    if not found:
        return "\\-"
    names = sorted({(test.label, test.path) for test in found})
    return ", ".join(f"``{name}``" for name, _ in names)


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines if line.strip() and not line.startswith("#")]


def row(*cells):
    return "   * - " + "\n     - ".join(cells) + "\n"


def by_number(pair):
    return (int(pair[0]), [int(part) for part in pair[1].split(".")])


def features(found, holes):
    """The rows of features.tsv: what each has to have a test of, and which there are."""
    table = [
        ".. list-table::\n   :header-rows: 1\n   :widths: 8 8 24 44 16\n\n",
        row("Feature", "Goal", "What", "Rule, and its tests", "Result"),
    ]
    whole, listed = 0, read(FEATURES)
    for ident, goal, what, terms, *note in listed:
        lines, citing, untested, in_vm = [], [], [], False
        for term in terms.split("; ") if terms != "-" else []:
            those = [test for test in found if test.cites(term)]
            lines.append(f"| {term}: {cell(those)}")
            citing += those
            in_vm |= verdict(those) == "in the VM"
            if not those:
                untested.append(term)
        result = verdict(citing)
        if result == "pass" and in_vm:
            result = "pass, in part in the VM"
        if untested:
            result = "no test of " + ", ".join(untested)
        if untested or result in ("FAIL", "not run") or not citing and not note:
            holes.append(f"{ident} ({what}): {result}")
        whole += citing != [] and not untested
        table.append(row(ident, goal, what, "\n       ".join(lines) or "\\-", "; ".join([result, *note])))
    return whole, len(listed), "".join(table)


def render(outcome, holes):
    found = list(tests(outcome))
    rules = read(RULES)
    known = {rule[0] for rule in rules}
    for test in found:
        for rule in test.rules - known:
            sys.exit(f"compliance: {test.path}: {test.name} cites {rule}, which RFC 9293 has not")
    out = []
    out.append(".. SPDX-License-Identifier: GPL-2.0\n")
    out.append(".. Generated by make compliance; not to be edited.\n")
    out.append("==========\nCompliance\n==========\n")
    out.append(
        "Rules and the tests that cite them. ``pass`` is the result of ``make test-host``; \"in the VM\": the\n"
        "test belongs to ``make test-vm``. That a rule has a test does not say that the test covers all of\n"
        "it, and that it has none does not say that it is broken. Where a rule is not kept on purpose the result\n"
        "says what is done instead, which is what the test is of.\n"
    )
    out.append("RFC 9293, appendix B\n====================\n")
    counts = []
    for level in ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"):
        of_level = [rule for rule in rules if rule[2] == level]
        with_test = [rule for rule in of_level if any(rule[0] in test.rules for test in found)]
        counts.append(f"{level} {len(with_test)} of {len(of_level)}")
    deviations = []
    table = [
        ".. list-table::\n   :header-rows: 1\n   :widths: 10 8 10 30 26 16\n\n",
        row("Rule", "Section", "Level", "What it asks for", "Tests", "Result"),
    ]
    for ident, section, level, text, *note in rules:
        citing = [test for test in found if ident in test.rules]
        result = "; ".join([verdict(citing), *note])
        if note and note[0].startswith("deviates"):
            # What passes is a test of what is done instead.
            deviations.append(ident)
            result = result if verdict(citing) == "FAIL" else note[0]
        if level != "MAY" and not note and not citing or result.startswith(("FAIL", "not run")):
            holes.append(f"{ident} ({text}): {verdict(citing)}")
        table.append(row(ident, section, level, text, cell(citing), result))
    out.append(f"Rules with a test: {', '.join(counts)}. Not kept, on purpose: {', '.join(deviations)}.\n")
    out.append("".join(table))
    whole, listed, text = features(found, holes)
    out.append("Features\n========\n")
    out.append(
        "Connection management (B), loss recovery (C), congestion control (D), flow control and buffers (E), path (F):\n"
        "what a complete TCP must have (M) or should (S), and which tests cite the rules and settings that it is\n"
        f"made of. {whole} of {listed} have a test of each; what is beside the result of the others says why not.\n"
    )
    out.append(text)
    out.append("Mechanisms, by RFC\n==================\n")
    table = [
        ".. list-table::\n   :header-rows: 1\n   :widths: 10 10 70 10\n\n",
        row("RFC", "Section", "Tests", "Result"),
    ]
    sections = sorted({pair for test in found for pair in test.sections}, key=by_number)
    for rfc in sorted({rfc for test in found for rfc in test.rfcs}, key=int):
        whole = [t for t in found if rfc in t.rfcs and all(r != rfc for r, _ in t.sections)]
        if whole:
            table.append(row(rfc, "\\-", cell(whole), verdict(whole)))
        for pair in sections:
            if pair[0] == rfc:
                citing = [test for test in found if pair in test.sections]
                table.append(row(rfc, pair[1], cell(citing), verdict(citing)))
    out.append("".join(table))
    return "\n".join(out)


def vm(log, found):
    """Of the files with tests that the page names, those that did not run in the VM, or failed."""
    terms = {term for feature in read(FEATURES) for term in feature[3].split("; ")}
    known = {rule[0] for rule in read(RULES)}
    named = {test.path for test in found if test.result == "VM" and
             (test.rules & known or any(test.cites(term) for term in terms))}
    ok, bad, part = set(), set(), ""
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if match := re.match(r"# === (\S+)(?: (\S+))?", line):
                part = match[1] if (match[2] or "rusttcp").startswith("rusttcp") else ""
            elif match := re.match(r"\s*(not )?ok \d+", line):
                (bad if match[1] else ok).add(part)
    for path in sorted(named):
        part = "wire" if path.startswith("selftests/wire/") else os.path.splitext(os.path.basename(path))[0]
        if part not in ok or part in bad:
            yield f"{path}: {'failed' if part in bad else 'did not run'}"


def main():
    args = sys.argv[1:]
    check, of_vm = "--check" in args, "--vm" in args
    args = [arg for arg in args if not arg.startswith("--")]
    if len(args) != 1:
        sys.exit(__doc__)
    log = os.path.abspath(args[0])
    os.chdir(TOP)
    if of_vm:
        sys.exit("".join(f"compliance: {hole}\n" for hole in vm(log, tests({}))) or 0)
    holes = []
    text = render(results(log), holes)
    old = ""
    if check and os.path.exists(TABLE):
        with open(TABLE, encoding="utf-8") as table:
            old = table.read()
    elif not check:
        with open(TABLE, "w", encoding="utf-8") as table:
            table.write(text)
    if check and old != text:
        holes.append(f"{TABLE} is stale: make compliance")
    sys.exit("".join(f"compliance: {hole}\n" for hole in holes) or 0)


main()
