"""Kinds of spaces that Gymnasium 1.4 doesn't have, or has with a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from gymnasium import spaces
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import (
    create_shared_memory,  # pyright: ignore[reportUnknownVariableType]
)


class BoundedSequence(spaces.Sequence):
    """A ``Sequence`` that knows its least and greatest length.

    Gymnasium's samples lengths from 1 on, without an end, and contains all.
    """

    def __init__(
        self, feature_space: spaces.Space[Any], min_items: int = 0, max_items: int | None = None
    ) -> None:
        """Make a space of so many elements of ``feature_space``; None is no limit."""
        self.min_items = min_items
        self.max_items = max_items
        super().__init__(feature_space)

    def generate_sample_length(self, length_mask: Any, mask_type: str | None) -> int:
        """A length: the mask's, or one that is likelier the shorter it is."""
        if length_mask is not None:
            return int(super().generate_sample_length(length_mask, mask_type))
        length = self.min_items + int(self.np_random.geometric(0.25)) - 1
        return length if self.max_items is None else min(length, self.max_items)

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        """A tuple of samples. As ``Sequence.sample``, with a length within the limits."""
        if mask is None and probability is None:
            mask = (self.generate_sample_length(None, None), None)
        return super().sample(mask=mask, probability=probability)

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is a tuple of elements, of a length within the limits."""
        if not isinstance(x, tuple):
            return False
        is_short = self.max_items is None or len(x) <= self.max_items  # pyright: ignore[reportUnknownArgumentType]
        return is_short and len(x) >= self.min_items and bool(super().contains(x))  # pyright: ignore[reportUnknownArgumentType]

    def __eq__(self, other: object, /) -> bool:
        return (
            isinstance(other, BoundedSequence)
            and (self.min_items, self.max_items) == (other.min_items, other.max_items)
            and bool(super().__eq__(other))
        )

    __hash__ = None  # type: ignore[assignment]  # as Gymnasium's spaces

    def __repr__(self) -> str:
        return f"Sequence({self.feature_space}, {self.min_items} to {self.max_items or 'any'})"


class ContractText(spaces.Text):
    """A ``Text`` that isn't put into the shared memory of ``AsyncVectorEnv``."""


class ContractOneOf(spaces.OneOf[Any]):
    """A ``OneOf`` that isn't put into the shared memory of ``AsyncVectorEnv``."""


class _CodePoints(Sequence[str]):
    """Every character of Unicode, by its code point."""

    _COUNT = 0x110000

    def __len__(self) -> int:
        return self._COUNT

    def __getitem__(self, index: Any) -> Any:
        return chr(range(self._COUNT)[int(index)])

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1


_ALL: Any = _CodePoints()


class UnicodeText(ContractText):
    """A ``Text`` of any characters, without a table of them all. Samples are of ASCII."""

    def __init__(self, min_length: int, max_length: int) -> None:
        """Make a space of strings of so many code points."""
        super().__init__(max_length, min_length=min_length, charset=" ")

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A string of printable ASCII, of any length within the limits."""
        if mask is not None or probability is not None:
            raise ValueError("a Text of all of Unicode has no masks")
        length = int(self.np_random.integers(self.min_length, self.max_length + 1))
        return bytes(self.np_random.integers(32, 127, length, dtype=np.uint8)).decode("ascii")

    @property
    def character_set(self) -> Any:
        """Every character."""
        return _ALL

    @property
    def character_list(self) -> Any:
        """Every character, by its code point."""
        return _ALL

    def character_index(self, char: str) -> np.int32:
        """Its code point."""
        return np.int32(ord(char))

    def __eq__(self, other: object, /) -> bool:
        return (
            isinstance(other, UnicodeText)
            and self.min_length == other.min_length
            and self.max_length == other.max_length
        )

    __hash__ = None  # type: ignore[assignment]  # as Gymnasium's spaces

    def __repr__(self) -> str:
        return f"Text({self.min_length}, {self.max_length}, charset=Unicode)"


def _refuse_shared_memory(*_: Any, **_options: Any) -> NoReturn:
    # Read and run: AsyncVectorEnv of 1.4.0 reads its shared memory once, when it is made. For a Box
    # that is a view; of a Text or OneOf each step then returns the first, empty observation.
    raise CustomSpaceError(
        "Gymnasium's shared memory would repeat the first observation of a Text or OneOf: "
        "AsyncVectorEnv(..., shared_memory=False) returns each"
    )


_register: Any = create_shared_memory.register  # pyright: ignore[reportUnknownMemberType]
_register(ContractText, _refuse_shared_memory)
_register(ContractOneOf, _refuse_shared_memory)
