#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
unittests.py MODULE: runs tests of CPython's own suite, and says in a line for each what came of it:
"RESULT ok|failed|skipped NAME", after what a failure says. The status is 0 if all of them ran to
their end and none failed.

Each class is run in a process of its own: where a test hangs or crashes, the class is what is lost.
"""
import faulthandler
import os
import re
import sys
import unittest
from test import support


# How long one test may take: the slowest takes ten seconds where the host has nothing else to do.
SECONDS = 180
# The status of a process that has told which tests failed. (faulthandler's is 1.)
TOLD = 2
# Classes whose sockets no TCP is behind. Linux 7.3 has no UDP-Lite, and it takes minutes for hundreds
# of its tests to fail.
OTHER = re.compile("UDPLITE|SCTP|CAN|ISOTP|J1939|RDS|QIPCRTR|VSOCK|Bluetooth|TIPC|CryptoAPI|Windows|MacOS"
                   "|SocketSharing")


class Result(unittest.TestResult):
    """Tells of each test as it ends."""

    def tell(self, outcome, test, said=None):
        """One line, and what a failure says before it."""
        for line in (said or "").splitlines():
            print("# " + line)
        print("RESULT %s %s" % (outcome, test.id()), flush=True)

    def startTest(self, test):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
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


def by_class(tests, found):
    """{class: [test]} of a suite, in its order."""
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            by_class(test, found)
        elif not OTHER.search(type(test).__name__):
            found.setdefault(type(test), []).append(test)
    return found


def run(tests):
    """Whether the tests of one class pass, run by a child."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        result = Result()
        try:
            unittest.TestSuite(tests).run(result)
        finally:
            sys.stdout.flush()
            os._exit(0 if result.wasSuccessful() else TOLD)
    status = os.waitpid(child, 0)[1]
    if status not in (0, TOLD << 8):
        kind = type(tests[0])
        print("RESULT failed %s.%s: status %#x" % (kind.__module__, kind.__qualname__, status), flush=True)
    return status == 0


# Nothing that needs the network outside; what this one calls so is the loopback.
support.use_resources = ["cpu", "decimal"] + ["network"] * (sys.argv[1] == "test.test_socketserver")
try:
    suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
except unittest.SkipTest as reason:
    print("# skipped: %s" % reason)
    sys.exit(1)
passed = [run(tests) for tests in by_class(suite, {}).values()]
sys.exit(0 if passed and all(passed) else 1)
