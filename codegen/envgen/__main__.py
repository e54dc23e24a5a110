"""``envgen`` and ``python -m envgen``."""

from __future__ import annotations

import gc
import signal


def main() -> None:
    """Run the command line."""
    # A build is short and leaves few cycles behind; looking for them takes a twelfth of it.
    gc.set_threshold(100_000)
    _leave_in_order()
    from .cli import app

    app()


def _leave_in_order() -> None:
    """Let the signals that ask a process to end do it as exceptions, which clean up on their way.

    Only where they would end it at once: who ignores them (``nohup``) or handles them knows why.
    """

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)  # as shells report it

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, leave)


if __name__ == "__main__":
    main()
