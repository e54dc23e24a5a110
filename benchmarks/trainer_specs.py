"""Whether what trainers show to models accepts and refuses the same as the contract.

Takes tools out of lists of MCP's tools, in turn from each, the actions of contracts, and generated
schemas, and makes packages of them. Programs in the trainers' own environments of Python
(``benchmarks/shown``) print what each trainer shows; it is judged here, as in ``tool_specs``.

TRL reads schemas out of functions' type hints. Two rows tell that apart: all schemas, and those
that hints can say (no bounds, no patterns, no nested objects, values that ``Literal`` takes). A
function refuses arguments that it has no parameter for, whatever its schema says, so for TRL
instances without such arguments are judged. ``nullable`` of its schemas counts as what it means in
OpenAPI.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from hypothesis import given, seed

from benchmarks.judging import HEAD, Case, Packaged, Score, Tried, judge_shown, packaged, tried
from benchmarks.measuring import ROOT, introduce, json_files, table
from benchmarks.shown.jobs import Job, Shown
from benchmarks.told import untold
from envgen.options import PackageOptions
from envgen_runtime.calling.specs import tool_specs
from envgen_runtime.contract.normal_form import normal_form
from envgen_runtime.json_value import as_array, as_object, at_pointer
from tests.interop.venvs import RUNTIME, trainer_python, venv_python
from tests.strategies import SCHEMAS, drawing, objects


@dataclass(frozen=True)
class Trainer:
    """A trainer, and the program that asks it.

    Attributes:
        shows: the ways of showing tools that the program prints.
        python: makes the interpreter that has the trainer.
    """

    program: str
    shows: tuple[str, ...]
    python: Callable[[], Path]


OWN = "TRL's own, for ORS"
TRL = ("trl==1.16.0", "torch==2.13.0", "jmespath", "aiohttp")
TRAINERS: Mapping[str, Trainer] = {
    "trl": Trainer("in_trl", ("TRL", OWN), partial(trainer_python, "trl-1.16.0", *TRL)),
    "verifiers": Trainer(
        "in_verifiers", ("verifiers",), partial(venv_python, "verifiers", "0.4.0", *RUNTIME)
    ),
    "openenv": Trainer(
        "in_openenv", ("ResourceSession",), partial(venv_python, "openenv", "0.10.0", *RUNTIME)
    ),
    "nemo": Trainer(
        "in_nemo",
        ("NeMo Gym",),
        partial(venv_python, "nemo-gym", "0.7.0", *RUNTIME, needs=(3, 13), ignores_patch=True),
    ),
}
_SAYABLE = "that hints can say"


@dataclass
class Scores:
    """What was counted.

    Attributes:
        ways: for each way of showing tools; those of functions twice, for all schemas and for those
            that hints can say.
        beyond: what hints can't say of each schema.
        untold: what neither hints nor texts of TRL's functions say of each schema.
        broken: how many schemas have an instance that breaks each keyword.
    """

    ways: dict[str, Score] = field(default_factory=dict[str, Score])
    beyond: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    untold: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    broken: Counter[str] = field(default_factory=Counter[str])

    def of(self, way: str) -> Score:
        """The score of a way."""
        return self.ways.setdefault(way, Score())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="lists of MCP's tools")
    parser.add_argument("--actions", type=Path, required=True, help="contracts")
    parser.add_argument("--schemas", type=int, default=200, help="in all, 100 of them tools")
    parser.add_argument("--instances", type=int, default=300, help="for each schema")
    parser.add_argument(
        "--python", action="append", default=[], metavar="TRAINER=PATH", help="that has the trainer"
    )
    parser.add_argument("--trainers", default=",".join(TRAINERS), help="which; by default all")
    asked = parser.parse_args()
    pythons = {name: Path(path) for name, path in (text.split("=", 1) for text in asked.python)}
    tools = {file.stem: json.loads(file.read_text()) for file in json_files([asked.tools])}
    actions = {file.stem: json.loads(file.read_text()) for file in json_files([asked.actions])}
    documents = {
        **some_tools(tools, asked.schemas // 2),
        **{f"{name}_action": {**it, "tools": []} for name, it in actions.items()},
    }
    documents["generated"] = generated(asked.schemas - asked.schemas // 2 - len(actions))
    trainers = {name: TRAINERS[name] for name in asked.trainers.split(",")}
    introduce(f"{asked.schemas} schemas, up to {asked.instances} instances for each.")
    began = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        scores = measure(documents, trainers, pythons, Path(scratch), asked.instances)
    report(scores)
    print(f"\n{time.process_time() - began:.0f} s of processor time.")


def some_tools(lists: Mapping[str, Any], count: int) -> dict[str, Any]:
    """So many tools, in turn from each list, of those that take arguments."""
    choose = random.Random(17)
    by_list: list[list[tuple[str, Any]]] = []
    for name, document in lists.items():
        own = [(name, tool) for tool in document["tools"] if tool["inputSchema"].get("properties")]
        choose.shuffle(own)
        by_list.append(own)
    turns = chain.from_iterable(zip_longest(*by_list))
    found: dict[str, Any] = {}
    for name, tool in islice((it for it in turns if it is not None), count):
        found.setdefault(name, {"tools": []})["tools"].append(tool)
    return found


def generated(count: int) -> dict[str, Any]:
    """A list of tools with schemas of all kinds, and names that Python doesn't take."""
    found: list[Any] = []

    @seed(17)
    @drawing(count)
    @given(objects(SCHEMAS))
    def draw(schema: Any) -> None:
        found.append(schema)

    draw()
    names = ("tool-{}", "tool_{}", "class.{}", "tool{}")
    return {
        "tools": [
            {"name": names[number % 4].format(number), "description": "", "inputSchema": schema}
            for number, schema in enumerate(found[:count])
        ]
    }


def measure(
    documents: Mapping[str, Any],
    trainers: Mapping[str, Trainer],
    pythons: Mapping[str, Path],
    scratch: Path,
    count: int,
) -> Scores:
    """Judge what each trainer shows of contracts and lists of tools.

    Args:
        documents: contracts and lists of tools, by names.
        trainers: which to ask.
        pythons: interpreters that have a trainer; those of the others are made.
        scratch: a folder for the packages.
        count: how many instances are tried for each schema.
    """
    options = PackageOptions(adapters=("trl",))
    packages = [
        packaged(document, f"{name.replace('-', '_')}_env", scratch / str(number), options)
        for number, (name, document) in enumerate(documents.items())
    ]
    file = scratch / "job.json"
    file.write_text(json.dumps(_job(packages)))
    shown = {"tool_specs": _specs(packages)}
    for name, trainer in trainers.items():
        print(f"asking {name}", file=sys.stderr)
        shown |= ask(trainer, pythons.get(name), file)
    scores = Scores()
    for case in (case for package in packages for case in package.cases):
        _judge(case, count, shown, scores)
    return scores


def _job(packages: Sequence[Packaged]) -> Job:
    return {
        "path": [str(package.folder.parent) for package in packages],
        "sources": [
            {
                "package": package.folder.name,
                "client": package.client.__name__,
                "tools": [
                    {
                        "place": case.place,
                        "name": case.item.wire_name,
                        "description": case.item.description,
                        "schema": _published(case),
                    }
                    for case in package.cases
                ],
            }
            for package in packages
        ],
    }


def _published(case: Case) -> Any:
    """The schema that the contract has for a tool; of a union's member, with its definitions."""
    if case.item.kind == "tool" or not case.item.pointer:
        return case.published
    definitions = {"$defs": case.item.document.get("$defs", {})}
    return {**definitions, **at_pointer(case.item.document, case.item.pointer)}


def _specs(packages: Sequence[Packaged]) -> dict[str, Shown]:
    found: dict[str, Shown] = {}
    for package in packages:
        specs = tool_specs(package.client, "openai")
        for case, spec in zip(package.cases, specs, strict=True):
            schema = spec["function"]["parameters"]
            found[case.place] = {"schema": schema, "names": {}, "error": ""}
    return found


def ask(trainer: Trainer, python: Path | None, job: Path) -> dict[str, dict[str, Shown]]:
    """What a trainer shows, by the ways of showing and by places.

    Raises:
        VenvUnavailable: the trainer can't be installed here.
        RuntimeError: the program failed.
    """
    paths = os.pathsep.join((str(ROOT / "runtime"), str(ROOT)))
    done = subprocess.run(
        [str(python or trainer.python()), "-m", f"benchmarks.shown.{trainer.program}", str(job)],
        cwd=job.parent,
        env={**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{trainer.program} ended with {done.returncode}:\n{done.stderr}")
    printed: dict[str, dict[str, Shown]] = json.loads(done.stdout.splitlines()[-1])
    return {way: printed.get(way, {}) for way in trainer.shows}


# --- judging --------------------------------------------------------------------------------------


def _judge(
    case: Case, count: int, shown: Mapping[str, Mapping[str, Shown]], scores: Scores
) -> None:
    of, of_function = tried(case, count), _for_function(case, tried(case, 2 * count), count)
    beyond = scores.beyond[case.place] = beyond_hints(case.item.schema)
    scores.broken.update(of.broken)
    for way, by_place in shown.items():
        is_function = way in TRAINERS["trl"].shows
        what = by_place.get(case.place)
        if beyond and what is not None and way == TRAINERS["trl"].shows[0]:
            scores.untold[case.place] = untold(case.item.schema, what["schema"], what["names"])
        ways = [way, f"{way}, {_SAYABLE}"] if is_function and not beyond else [way]
        for score in map(scores.of, ways):
            if what is None:
                score.hide(case.place)
            elif what["error"]:
                score.schemas += 1
                score.crashes.append(f"{case.place}: {what['error']}")
            elif is_function:
                judge_shown(score, case, of_function, normal_form(what["schema"]), what["names"])
            else:
                judge_shown(score, case, of, what["schema"], what["names"])


def _for_function(case: Case, of: Tried, count: int) -> Tried:
    """The instances that a function can be called with, without an action's tags."""
    tags = case.item.tags
    known = case.item.properties.keys() - tags.keys()
    untagged = (
        {name: value for name, value in instance.items() if tags.get(name, _NO_TAG) != value}
        for instance in of.instances
    )
    both = zip(untagged, of.verdicts, strict=True)
    kept = [(instance, fits) for instance, fits in both if instance.keys() <= known][:count]
    return replace(of, instances=[it for it, _ in kept], verdicts=[fits for _, fits in kept])


_NO_TAG = object()
_DESCRIBING = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format",
     "$comment", "$schema", "$id"}
)  # fmt: skip


def beyond_hints(schema: Any) -> frozenset[str]:
    """What an object's schema says that type hints of parameters can't: keywords."""
    fields = as_object(schema) or {}
    properties = as_object(fields.get("properties")) or {}
    own = fields.keys() - _DESCRIBING - {"type", "properties", "required", "additionalProperties"}
    return frozenset(own - {"$defs"}).union(*map(_beyond, properties.values()))


def _beyond(schema: Any) -> frozenset[str]:
    fields = as_object(schema)
    if fields is None:
        return frozenset() if schema is True else frozenset({"false"})
    found: set[str] = set()
    for keyword, value in fields.items():
        match keyword:
            case "anyOf" | "oneOf":
                found.update(*map(_beyond, as_array(value) or []))
            case "items" | "additionalProperties":
                found |= _beyond(value)
            case "enum" | "const":
                values = [value] if keyword == "const" else as_array(value) or []
                if not all(value is None or isinstance(value, str | int) for value in values):
                    found.add(f"{keyword} of no Literal")
            case _ if keyword != "type" and not keyword.startswith("x-"):
                found |= {keyword} - _DESCRIBING
            case _:
                pass
    return frozenset(found)


def report(scores: Scores) -> None:
    """Print the table, and what differs."""
    table(["shown by", *HEAD], [[way, *score.row()] for way, score in scores.ways.items()])
    sayable = Counter(_origin(place) for place, beyond in scores.beyond.items() if not beyond)
    said = (
        f"{sayable[origin]} of {count} {origin}"
        for origin, count in Counter(map(_origin, scores.beyond)).items()
    )
    print(f"\nHints can say {sayable.total()} of {len(scores.beyond)}: {', '.join(said)}.")
    if scores.untold:
        whole = sum(not lost for lost in scores.untold.values())
        print(f"The texts tell all that hints can't of {whole} of the other {len(scores.untold)}.")
    shown = ", ".join(f"{keyword} {count}" for keyword, count in scores.broken.most_common())
    print(f"Schemas with an instance that breaks a keyword: {shown}.")
    for line in differences(scores):
        print(line)


def _origin(place: str) -> str:
    if place.startswith("generated_env:"):
        return "generated"
    return "actions" if "_action_env:" in place else "tools"


def differences(scores: Scores) -> Iterator[str]:
    """Every schema that is shown otherwise than the contract has it, but for those of TRL's own."""
    yield from (f"untold: {place}: {sorted(lost)}" for place, lost in scores.untold.items() if lost)
    for way, score in scores.ways.items():
        if way.startswith(OWN):
            continue
        yield from (f"{way}: crash: {line}" for line in score.crashes)
        yield from (f"{way}: invisible: {place}" for place in score.invisible)
        is_function = way in TRAINERS["trl"].shows
        for place, count in score.unequal.items():
            cause = ", ".join(sorted(scores.beyond[place])) if is_function else ""
            yield f"{way}: {count} differ: {place}{f' ({cause})' if cause else ''}"


if __name__ == "__main__":
    main()
