"""``envgen`` and ``python -m envgen``."""

from __future__ import annotations

import gc
import signal

from .interrupts import ENDING, Interrupts, raised


def main() -> None:
    """Run the command line."""
    # Collecting cycles takes a twelfth of a build, which creates few.
    gc.set_threshold(100_000)
    _raise_on_signals()
    try:
        with Interrupts():  # importing takes half a second, and drops what a handler raises
            from .cli import app
        app()
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        gc.freeze()  # the end of the interpreter collects twice more, in a tenth of a build


def _raise_on_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into exceptions, so that cleanup runs.

    Signals that are ignored (``nohup``) or already handled are left alone.
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
