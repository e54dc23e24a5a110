"""What a forked child can't share with its parent: one list, gone through as soon as it is forked.

A child inherits copies of its parent's sockets, of locks that the parent's other threads held at
that moment, and of records of threads that it doesn't have. So what holds any of these says here
what becomes of it in a child. Nothing else in the runtime asks in which process it runs.

Systems without fork, such as Windows, have nothing to do: ``spawn`` shares nothing.
"""

from __future__ import annotations

import logging
import os
from typing import Protocol
from weakref import WeakValueDictionary


class ForkAware(Protocol):
    """An object with something that a forked child must not use."""

    def after_fork(self) -> None:
        """Let go of what is the parent's, in the child, before anything else runs there.

        Sends nothing, waits for nothing, and takes no lock that existed before.
        """
        ...


_tracked: WeakValueDictionary[int, ForkAware] = WeakValueDictionary()


def track(item: ForkAware) -> None:
    """Call ``item.after_fork()`` in every child that is forked while ``item`` exists."""
    _tracked[id(item)] = item


def _after_fork() -> None:
    for item in list(_tracked.values()):
        try:
            item.after_fork()
        except Exception:  # the others must still let go
            logging.getLogger("envgen_runtime").exception("%r could not be left", type(item))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
