"""The log of a started server, whose pipe has a number that others get once it is closed."""

from __future__ import annotations

import os

from envgen_runtime.mcp.log import LogTail


def test_a_log_that_has_ended_closes_nothing_in_a_forked_child() -> None:
    log = LogTail()
    os.write(log.stream.fileno(), b"one\ntwo\n")
    log.start()
    assert log.ended(30)
    assert log.text == "one\ntwo"
    ends = [os.pipe() for _ in range(4)]  # one of them has the number of the log's pipe
    log.after_fork()
    for reading, writing in ends:
        os.write(writing, b"x")
        assert os.read(reading, 1) == b"x"
        os.close(reading)
        os.close(writing)
