"""``envgen`` and ``python -m envgen``."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line."""
    # A build is short and leaves few cycles behind; looking for them takes a twelfth of it.
    gc.set_threshold(100_000)
    from .cli import app

    app()


if __name__ == "__main__":
    main()
