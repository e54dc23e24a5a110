"""How much of JSON Schema is enforced: envgen in both modes, and datamodel-code-generator alone.

Takes a folder of the official JSON-Schema-Test-Suite, which is named after its draft (a file per
keyword; in each, groups of ``description``, ``schema`` and ``tests``). For envgen, every schema
becomes the property ``value`` of an action. A check passes when an instance is accepted and valid,
or refused and invalid; a schema that a side can't build fails all of its checks.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamodel_code_generator import DataModelType, Formatter, InputFileType, generate
from pydantic import TypeAdapter

import envgen_runtime as rt
from benchmarks.measuring import introduce, table
from envgen.build import build_package
from envgen.contract.contract import parse_contract

DRAFTS = {
    "7": "http://json-schema.org/draft-07/schema#",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}
Accepts = Callable[[Any], bool]
_numbers = itertools.count()

# What served best of the generator's own options on this suite.
_BEST = {
    "strict_types": None,
    "field_constraints": True,
    "strict_nullable": True,
    "use_annotated": True,
    "enum_field_as_literal": "all",
    "generate_schema_validators": True,
}

_REFERENCES = ("$ref", "$dynamicRef")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of the suite, such as draft7")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    draft = DRAFTS.get(asked.folder.resolve().name.removeprefix("draft"))
    if draft is None:
        parser.error(
            f"a folder is named after its draft: {', '.join(f'draft{it}' for it in DRAFTS)}"
        )
    introduce(
        "Mandatory checks passed, of those whose schema refers to nothing outside the document "
        f"({asked.folder.name})."
    )
    passed: Counter[tuple[str, str]] = Counter()
    checks: Counter[str] = Counter()
    outside: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        sides = {
            "envgen, exact": lambda schema: _exact(schema, draft),
            "envgen": lambda schema: _default(schema, draft, Path(scratch)),
            "dcg, best options": lambda schema: _bare(schema, Path(scratch), best=True),
            "dcg": lambda schema: _bare(schema, Path(scratch), best=False),
        }
        for file in sorted(asked.folder.glob("*.json")):
            for group in json.loads(file.read_text()):
                if file.stem == "refRemote" or _leaves(group["schema"], draft):
                    outside.append(f"{file.stem}: {group['description']}")
                    continue
                checks[file.stem] += len(group["tests"])
                for side, make in sides.items():
                    passed[side, file.stem] += _score(make, group)
    _report(list(sides), passed, checks, outside)


def _score(make: Callable[[Any], Accepts], group: dict[str, Any]) -> int:
    try:
        accepts = make(group["schema"])
    except (Exception, SystemExit):  # noqa: BLE001 - a side that can't build fails, however it does
        return 0
    return sum(accepts(test["data"]) == test["valid"] for test in group["tests"])


def _report(
    sides: list[str], passed: Counter[tuple[str, str]], checks: Counter[str], outside: list[str]
) -> None:
    rows = [
        [keyword, str(count), *(f"{passed[side, keyword] / count:.1%}" for side in sides)]
        for keyword, count in checks.items()
    ]
    total = sum(checks.values())
    whole = [sum(passed[side, keyword] for keyword in checks) for side in sides]
    rows.append(["all", str(total), *(f"{count / total:.2%}" for count in whole)])
    table(["keyword", "checks", *sides], rows)
    print(f"Left out, for they refer outside the document: {'; '.join(outside) or 'none'}")


# --- the sides --------------------------------------------------------------------------------


def _exact(schema: Any, draft: str) -> Accepts:
    document = json.loads(_contract(schema, draft).to_json())
    validator = rt.ExactValidator(document["action"])
    return lambda value: validator.is_valid({"value": value})


def _default(schema: Any, draft: str, scratch: Path) -> Accepts:
    folder = build_package(_contract(schema, draft), scratch / f"p{next(_numbers)}").folder
    action = _load(folder / "__init__.py", package=True).CaseAction

    def accepts(value: Any) -> bool:
        return _succeeds(lambda: action.model_validate_json(json.dumps({"value": value})))

    return accepts


def _succeeds(validate: Callable[[], object]) -> bool:
    try:
        validate()
    except Exception:  # noqa: BLE001 - models raise TypeError too, on values that they don't expect
        return False
    return True


def _bare(schema: Any, scratch: Path, *, best: bool) -> Accepts:
    from datamodel_code_generator import enums

    options: dict[str, Any] = {}
    if best:
        options = {**_BEST, "strict_types": list(enums.StrictTypes)}
    folder = scratch / f"d{next(_numbers)}"
    folder.mkdir()
    file = folder / "models.py"
    generate(
        json.dumps(schema),
        input_file_type=InputFileType.JsonSchema,
        output=file,
        output_model_type=DataModelType.PydanticV2BaseModel,
        formatters=[Formatter.BUILTIN],
        settings_path=folder,
        class_name="Model",
        disable_timestamp=True,
        **options,
    )
    adapter: TypeAdapter[Any] = TypeAdapter(_load(file).Model)

    def accepts(value: Any) -> bool:
        return _succeeds(lambda: adapter.validate_json(json.dumps(value)))

    return accepts


def _contract(schema: Any, draft: str) -> Any:
    """A contract whose action has ``schema`` as its property ``value``, references moved along."""
    document = {
        "name": "case",
        "action": {
            "$schema": draft,
            "title": "CaseAction",
            "type": "object",
            "properties": {"value": _moved(schema)},
            "required": ["value"],
        },
        "observation": {"title": "CaseObservation", "type": "object", "properties": {}},
        "state": {"title": "CaseState", "type": "object", "properties": {}},
    }
    return parse_contract(document, source="case.json")


def _moved(schema: Any, *, based: bool = False) -> Any:
    """``schema`` for its new place: its references to its own root point there."""
    if isinstance(schema, list):
        return [_moved(child, based=based) for child in schema]
    if not isinstance(schema, dict):
        return schema
    based = based or "$id" in schema  # below an $id, `#` is that resource's root: nothing moves
    result = {}
    for key, value in schema.items():
        if key in _REFERENCES and isinstance(value, str) and not based:
            moved = value == "#" or value.startswith("#/")
            result[key] = f"#/properties/value{value[1:]}" if moved else value
        elif key in ("const", "enum", "default"):
            result[key] = value
        elif key != "$schema":
            result[key] = _moved(value, based=based)
    return result


def _leaves(schema: Any, draft: str) -> bool:
    """Whether ``schema`` refers to something that is not in it."""
    if '"$ref": "http://json-schema.org' in json.dumps(schema):
        return True  # the metaschema, which validators have at hand
    try:
        rt.ExactValidator({"$schema": draft, **schema} if isinstance(schema, dict) else schema)
    except ValueError:
        return True
    return False


def _load(file: Path, *, package: bool = False) -> Any:
    name = f"conformance_{next(_numbers)}"
    locations = [str(file.parent)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=locations)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
