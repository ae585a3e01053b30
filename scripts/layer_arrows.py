#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which of the crate's modules name which others.

    layer_arrows.py DIRECTORY

Reads all Rust files below DIRECTORY (the folder of the crate's layers) and prints a line
"FILE:LINE LAYER TARGET" for each path that leads from a layer to a top-level module, however it
is spelt: `crate::stack::sock`, `use crate::{net::ip, tcp::*}`, `super::super::stack`,
`use super::{super::socket}`. Comments, strings and test modules do not count.
"""
import re
import sys
from pathlib import Path

TOKEN = re.compile(
    r"""//[^\n]*                                  # comment
      | /\*.*?\*/                               # comment
      | b?r(?P<hash>\#*)".*?"(?P=hash)          # raw string
      | [bc]?"(?:\\.|[^"\\])*"                  # string
      | b?'(?:\\.[^']*|[^'\\])'                 # character
      | (?P<tests>\#\[cfg\(test\)\]\s*mod\s+\w+\s*\{)
      | (?P<word>[A-Za-z_]\w*) | (?P<sep>::) | (?P<sign>[{},;*]) | \s+ | .""",
    re.S | re.X,
)


def tokens(text):
    """(token, line) for words, `::` and the signs of a use tree; test modules are left out."""
    line, out = 1, []
    pos = 0
    while pos < len(text):
        match = TOKEN.match(text, pos)
        if match["tests"]:
            # Test modules come last in their files.
            break
        token = match["word"] or match["sep"] or match["sign"]
        if token:
            out.append((token, line))
        elif not match[0].isspace() and not match[0].startswith(("//", "/*")):
            out.append(("", line))
        line += match[0].count("\n")
        pos = match.end()
    return out


def paths(toks, i, prefix):
    """Reads a path or use tree from token `i`: yields its leaves, returns where it ends."""
    found, segments = [], list(prefix)
    while i < len(toks):
        token, line = toks[i]
        if token == "{":
            i += 1
            while i < len(toks) and toks[i][0] != "}":
                if toks[i][0] == ",":
                    i += 1
                    continue
                more, after = paths(toks, i, segments)
                found += more
                # `as name` and whatever else stands in a group is passed over.
                i = max(after, i + 1)
            return found, i + 1
        if token and (token == "*" or token[0].isalpha() or token[0] == "_"):
            segments.append(token)
            i += 1
            if i < len(toks) and toks[i][0] == "::":
                i += 1
                continue
        found.append((segments, line))
        return found, i
    return found, i


def resolve(module, segments):
    """The absolute path of `segments` as seen from `module`; None if it is not in the crate."""
    at = None
    for n, segment in enumerate(segments):
        if segment == "crate" and n == 0:
            at = []
        elif segment == "self" and n == 0:
            at = list(module)
        elif segment == "super" and (at is not None or n == 0):
            base = module if at is None else at
            if not base:
                return None
            at = list(base[:-1])
        elif at is None:
            return None
        else:
            at.append(segment)
    return at


def main():
    top = Path(sys.argv[1])
    for file in sorted(top.rglob("*.rs")):
        parts = list(file.relative_to(top).with_suffix("").parts)
        if len(parts) < 2:
            continue
        if parts[-1] == "mod":
            parts.pop()
        toks = tokens(file.read_text())
        i = depth = 0
        # Inline modules, with the depth of braces that each opened at.
        inline = []
        while i < len(toks):
            if toks[i][0] == "{":
                depth += 1
                if i >= 2 and toks[i - 2][0] == "mod":
                    inline.append((toks[i - 1][0], depth))
            elif toks[i][0] == "}":
                if inline and inline[-1][1] == depth:
                    inline.pop()
                depth -= 1
            starts = toks[i][0] in ("crate", "super", "self") and i + 1 < len(toks)
            first = i == 0 or toks[i - 1][0] != "::"
            if not (starts and first and toks[i + 1][0] == "::"):
                # `use crate as name` would hide every arrow behind the name.
                if toks[i][0] == "crate" and i + 1 < len(toks) and toks[i + 1][0] == "as":
                    print(f"{file}:{toks[i][1]} {parts[0]} (crate-under-another-name)")
                i += 1
                continue
            leaves, i = paths(toks, i, [])
            here = parts + [name for name, _ in inline]
            for segments, line in leaves:
                target = resolve(here, segments)
                # The root itself (`super::super::*`) gives access to everything.
                if target is not None:
                    name = target[0] if target else "(root)"
                    print(f"{file}:{line} {parts[0]} {'(root)' if name == '*' else name}")


main()
