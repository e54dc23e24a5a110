"""``envgen`` and ``python -m envgen``."""

from __future__ import annotations

import gc
import signal

from .interrupts import ENDING, raised


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
        raised.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)  # as shells report it

    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, leave)


if __name__ == "__main__":
    main()
