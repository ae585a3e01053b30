#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
unittests.py MODULE...: runs tests of CPython's own suite, and says in a line for each what came of
it: "RESULT ok|failed|skipped NAME", after what a failure says.
"""
import faulthandler
import sys
import unittest
from test import support


class Result(unittest.TestResult):
    """Tells of each test as it ends."""

    def tell(self, outcome, test, said=None):
        """One line, and what a failure says before it."""
        for line in (said or "").splitlines():
            print("# " + line)
        print("RESULT %s %s" % (outcome, test.id()), flush=True)

    def startTest(self, test):
        faulthandler.dump_traceback_later(90, exit=True)
        super().startTest(test)
        self.outcome = "ok"

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        if self.outcome:
            self.tell(self.outcome, test)

    def addError(self, test, err):
        super().addError(test, err)
        self.outcome = None
        self.tell("failed", test, self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcome = None
        self.tell("failed", test, self.failures[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome = None
        self.tell("skipped", test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.outcome = "failed"
            print("# " + self._exc_info_to_string(err, test).replace("\n", "\n# "))

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome = "failed"


def wanted(tests):
    """The single tests of a suite, less those of UDP-Lite, which Linux 7.3 has no more: it takes minutes
    for hundreds of them to fail."""
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            yield from wanted(test)
        elif "UDPLITE" not in type(test).__name__:
            yield test


# Nothing that needs the network outside.
support.use_resources = ["cpu", "decimal"]
for name in sys.argv[1:]:
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
    except unittest.SkipTest:
        continue
    unittest.TestSuite(wanted(suite)).run(Result())
