"""``${NAME}`` in settings: which of the user's environment variables it may stand for."""

from __future__ import annotations

import os
import re

ALLOW_VARS = "ENVGEN_ALLOW_VARS"
"""The user's variable that lists others, which the settings of a repository may use."""

VARIABLE = re.compile(r"\$\{(\w+)\}")

_ALWAYS_ALLOWED = frozenset({"HF_TOKEN"})


def allowed_variables() -> frozenset[str]:
    """The variables that settings may use."""
    return _ALWAYS_ALLOWED | {*re.findall(r"\w+", os.environ.get(ALLOW_VARS, ""))}
