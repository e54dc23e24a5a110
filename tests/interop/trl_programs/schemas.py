"""The schemas of a generated class's tools, as transformers reads them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from envgen_runtime.adapters.trl import function_schemas

if __name__ == "__main__":
    task = json.load(sys.stdin)
    found = {}
    for package, environment in task["classes"]:
        module = importlib.import_module(f"{package}.trl")
        found[package] = function_schemas(getattr(module, environment))
    Path(task["report"]).write_text(json.dumps({"schemas": found}))
