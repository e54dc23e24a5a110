"""What is found while a contract is read: known places, wrong hints, what no space can say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...errors import EnvError
from .fields import Field
from .hints import Hint, HintError


class NoSpace(EnvError, TypeError):
    """No space can say what the contract allows, without hints.

    Attributes:
        places: the places of the contract, each with the hints that together would help.
    """

    def __init__(
        self, message: str, *, places: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(message)
        self.places = dict(places or {})

    @property
    def settings(self) -> list[str]:
        """The hints that would help, as lines of TOML whose values are to be filled in."""
        return [
            f"{json.dumps(place)} = {{ {', '.join(_EXAMPLES[name] for name in helping)} }}"
            for place, helping in self.places.items()
            if helping
        ]


@dataclass(slots=True)
class Notes:
    """What has been found while a contract is read.

    Attributes:
        hints: what the user said, by places.
        places: the places that there are.
        members: those of fields, and of members of unions.
        ignorable: those that can be ignored.
        roots: those of parts of the contract, and of the members that a part has as a union.
        wrong: the hints that can't be true, and why.
        refused: what no space can say: why, and the hint that helps.
    """

    hints: Mapping[str, Hint]
    places: dict[str, None] = field(default_factory=dict[str, None])
    members: set[str] = field(default_factory=set[str])
    ignorable: set[str] = field(default_factory=set[str])
    roots: set[str] = field(default_factory=set[str])
    wrong: list[str] = field(default_factory=list[str])
    refused: dict[str, tuple[str, tuple[str, ...]]] = field(
        default_factory=dict[str, tuple[str, tuple[str, ...]]]
    )

    def refuse(self, place: str, why: str, helping: tuple[str, ...]) -> None:
        """Note that no space says what is at a place."""
        self.refused.setdefault(place, (why, helping))

    def helping(self, place: str) -> tuple[str, ...] | None:
        """The hints that would help at a place; None if it wasn't refused."""
        refused = self.refused.get(place)
        return None if refused is None else refused[1]

    def forget(self, places: Iterable[str]) -> None:
        """Forget that places were refused."""
        for place in places:
            del self.refused[place]

    def check(self) -> None:
        """Raise HintError, or NoSpace, if there is a reason."""
        unknown = [place for place in self.hints if place not in self.places]
        if unknown:
            places = ", ".join(self.places)
            self.wrong += [f"{place}: there is no such place" for place in unknown]
            self.wrong.append(f"hints can be given for: {places}")
        self.wrong += [
            f"{place}: only a field or a member of a union can be given or ignored"
            for place, hint in self.hints.items()
            if place in self.places and place not in self.members and (hint.given or hint.ignore)
        ]
        if self.wrong:
            raise HintError("; ".join(self.wrong))
        if self.refused:
            shown = "; ".join(f"{place}: {why}" for place, (why, _) in self.refused.items())
            error = NoSpace(
                f"no space of Gymnasium can say what the contract allows: {shown}",
                places={place: helping for place, (_, helping) in self.refused.items()},
            )
            if error.settings:
                error.add_note("\n  ".join(["These hints would help:", *error.settings]))
            raise error


_EXAMPLES: Mapping[str, str] = {
    "bounds": "bounds = [..., ...]",
    "max_length": "max_length = ...",
    "charset": 'charset = "[...]"',
    "shape": "shape = [...]",
    "as_json": "as_json = true",
    "ignore": "ignore = true",
}


class Reading(Protocol):
    """``reading.Reader``, as others know it."""

    @property
    def is_action(self) -> bool:
        """Whether what is read is sent."""
        ...

    def read(self, schema: Any, place: str, *, shape: tuple[int, ...] = ()) -> Field:
        """The field of a schema; ``shape`` is the one that the array around it was given."""
        ...

    def choice(self, values: Iterable[Any], place: str) -> Field:
        """The field of some values."""
        ...

    def refuse(self, place: str, why: str, *helping: str) -> Field:
        """Note that no space says what is at a place, and which hints together help."""
        ...

    def wrong(self, place: str, why: str) -> None:
        """Note a hint that can't be true."""
        ...

    def only(self, place: str, hint: Hint, *allowed: str) -> None:
        """Note the hints that mean nothing at a place."""
        ...
