"""Options of this test suite."""

from __future__ import annotations

import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


# `nohup` and background jobs of a shell ignore these, and programs inherit what is ignored. They do
# not inherit a handler: the tests go on, and a program that a test starts heeds the signal.
for _name in ("SIGINT", "SIGHUP", "SIGTERM"):
    if signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), lambda _number, _frame: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what is generated over tests/golden/*/expected, to be read in the diff",
    )


@pytest.fixture(autouse=True)
def _no_server_is_known() -> None:
    """Forget which servers were compared: a port may have been another test's server's."""
    for name in ("envgen_runtime.clients.comparison", "envgen_runtime.mcp.comparison"):
        if module := sys.modules.get(name):
            module._compared.clear()
