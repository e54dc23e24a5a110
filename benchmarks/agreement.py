"""How far generated models agree with a JSON Schema validator, on contracts of real environments.

Takes folders or files of contracts. For each part of each, instances are generated from its
schema and mutated; jsonschema judges them, and so do the generated model (default mode) and exact
mode. A false accept is an instance that is invalid and was taken, counted under each keyword that
the judge found broken; a false reject is one that is valid and was refused.

What is no mistake is counted apart: replies may have unknown fields whatever their contract says,
requests only where it says so; and a union with a discriminator wants its tag, as OpenAPI has it,
though JSON Schema doesn't.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, seed
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from benchmarks.measuring import introduce, json_files, table
from envgen.build import build_package
from envgen.contract.contract import PARTS
from envgen.sources import read_contract
from envgen_runtime import ExactValidator
from tests.strategies import drawing, instances, mutated
from tests.support import load

_PARTS = [part for part in PARTS if part != "reset_parameters"]


@dataclass
class Score:
    """What was counted for one mode."""

    accepts: Counter[str] = field(default_factory=Counter[str])
    rejects: int = 0
    meant: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contracts", type=Path, nargs="+")
    parser.add_argument("--instances", type=int, default=300, help="for each schema")
    asked = parser.parse_args()
    files = json_files(asked.contracts)
    introduce(f"{len(files)} contracts, {asked.instances} instances for each schema.")
    scores = {"default": Score(), "exact": Score()}
    judged: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for number, file in enumerate(files):
            measure(file, Path(scratch) / str(number), asked.instances, scores, judged)
    report(scores, judged)


def measure(
    file: Path, out: Path, count: int, scores: dict[str, Score], judged: Counter[bool]
) -> None:
    """Judge ``count`` instances of each part of a contract."""
    contract = read_contract(str(file))
    package = build_package(contract, out)
    hooks = load(package.folder)
    client = getattr(hooks, package.class_name)
    types = {
        "action": client._step_payload.__annotations__["action"],
        "observation": _argument(client._parse_result.__annotations__["return"]),
        "reset_observation": _argument(client._parse_reset.__annotations__["return"]),
        "state": client._parse_state.__annotations__["return"],
    }
    for part in _PARTS:
        schema = contract.parts.get(part)
        if schema is None:
            continue
        judge = Draft202012Validator(schema)
        model: TypeAdapter[Any] = TypeAdapter(getattr(hooks, types[part]))
        exact = ExactValidator(schema)
        opened = Draft202012Validator(_opened(schema))
        for instance in _drawn(schema, count):
            broken = [*_keywords(judge, instance)]
            judged[not broken] += 1
            refusal = _refusal(model, instance)
            if refusal is None:
                meant = part != "action" and opened.is_valid(instance)
            else:
                meant = bool({"extra_forbidden", "union_tag_not_found"} & refusal)
            _count(scores["default"], refusal is None, broken, meant=meant)
            _count(scores["exact"], exact.is_valid(instance), broken, meant=False)


def _argument(annotation: str) -> str:
    return annotation.removeprefix("StepResult[").removesuffix("]")


def _drawn(schema: Any, count: int) -> list[Any]:
    found: list[Any] = []

    @seed(1)
    @drawing(count)
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        instance = data.draw(instances(schema, schema))
        for _ in range(data.draw(st.integers(0, 2))):
            instance = data.draw(mutated(instance))
        found.append(instance)

    draw()
    return found


def _keywords(judge: Draft202012Validator, instance: Any) -> Iterator[str]:
    """The keywords that an instance breaks, those of the members of a union among them."""
    for error in judge.iter_errors(instance):
        yield str(error.validator)


def _opened(schema: Any) -> Any:
    """A schema whose objects take unknown fields."""
    if isinstance(schema, list):
        return [_opened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _opened(value)
        for key, value in schema.items()
        if key != "additionalProperties" or value is not False
    }


def _refusal(model: TypeAdapter[Any], instance: Any) -> set[str] | None:
    """Why the model refuses an instance, as pydantic's names of errors; None where it doesn't."""
    try:
        model.validate_python(instance)
    except ValidationError as error:
        return {detail["type"] for detail in error.errors()}
    return None


def _count(score: Score, taken: bool, broken: list[str], *, meant: bool) -> None:
    if taken == (not broken):
        return
    if meant:
        score.meant += 1
    elif taken:
        score.accepts.update(set(broken))
    else:
        score.rejects += 1


def report(scores: dict[str, Score], judged: Counter[bool]) -> None:
    """Print both modes' mistakes."""
    valid, invalid = judged[True], judged[False]
    print(f"The judge found {valid} instances valid and {invalid} invalid.\n")
    rows = []
    for mode, score in scores.items():
        accepts, rejects = score.accepts.total(), score.rejects
        rows.append(
            [
                mode,
                f"{accepts} ({accepts / max(1, invalid):.3%})",
                f"{rejects} ({rejects / max(1, valid):.3%})",
                str(score.meant),
                ", ".join(f"{key} {count}" for key, count in score.accepts.most_common()) or "-",
            ]
        )
    table(["mode", "false accepts", "false rejects", "meant", "by keyword"], rows)


if __name__ == "__main__":
    main()
