"""Derive names. The rules are stable, because users import the names.

- A package has the environment's name in snake case; a trailing ``environment`` becomes ``env``.
- The client has that name in camel case, ending in ``Env``.
- A part's class has its schema's title, a definition's class has its key, and the class of an
  inline object is named after its place (``CodeObservationLocation``).
- A field keeps its wire name if Python and pydantic allow it. Otherwise it becomes an identifier.
  If that is taken or reserved, an underscore is appended, or ``field_`` put before a name that
  begins like pydantic's own methods. The wire name is its alias.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from pydantic import BaseModel

from .errors import ConfigError
from .text import UntrustedText, identifier

# The names that generated modules may import, by module. The imports, the audit and the names that
# a contract can't use are all taken from here.
_IMPORTS = {
    "typing": ("Annotated", "Any", "Literal", "TYPE_CHECKING", "TypeAlias", "Unpack", "overload"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "uuid": ("UUID",),
    "envgen_runtime": ("AsyncEnvClient", "EnvClient", "JsonValue", "StepResult"),
    "envgen_runtime.generated": (
        "Codec", "Envelope", "HttpRoute", "HttpWire", "JsonTypes", "Linked", "Omittable", "OneOf",
        "ReplyModel", "RequestModel", "StepOptions", "Tag", "UniqueItems", "accepts_fields",
        "constant", "reset_fields", "wire_fields",
    ),
    "envgen_runtime.tools": (
        "AsyncToolset", "NemoGymWire", "OMITTED", "OpenRewardWire", "Tool", "ToolResult", "Toolset",
    ),
    "envgen_runtime.mcp": ("AsyncToolsClient", "ToolsClient"),
    "envgen_runtime.adapters.gymnasium.env": ("GymnasiumEnv",),
    "envgen_runtime.adapters.trl": ("TRLEnvironment", "TRLTools"),
    "pydantic": ("ConfigDict", "Field", "TypeAdapter"),
    "typing_extensions": ("TypeAliasType",),
}  # fmt: skip
LIBRARY: Mapping[str, str] = {name: module for module in _IMPORTS for name in _IMPORTS[module]}

# A class with such a name would shadow an import, or be mistaken for one.
_MODULE_NAMES = LIBRARY.keys() | {"BaseModel", "ClassVar"}

TYPE_NAMES = frozenset({"bool", "dict", "float", "int", "list", "str", "tuple"})
"""Python's types that annotations use: a field so named would shadow them in its class's body."""

# ``self`` would clash with the parameter of the methods that take fields as keywords.
_RESERVED_FIELDS = frozenset(dir(BaseModel)) | TYPE_NAMES | _MODULE_NAMES | {"self"}

# A method so named would shadow the types that the other methods of its class are annotated with.
_RESERVED_METHODS = TYPE_NAMES | _MODULE_NAMES

# Prefixes that fields can't have: pydantic warns about the first two; placeholders use the others.
_PROTECTED = ("model_dump", "model_validate", "envgen_", "EnvgenN")

_DEVICE = re.compile(r"(?is)(?:aux|con|conin\$|conout\$|nul|prn|(?:com|lpt)\d)(?:\..*)?")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")
_SHOUT = re.compile(r"(?<![^\W_])[A-Z]{2,}(_+[A-Z]{2,})+(?![^\W_])")
_PLAIN_WORD = re.compile(r"\w+")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W_A-Z]+|[A-Z]+|\d+")


def environment_name(text: UntrustedText) -> str:
    """``EchoEnvironment`` and ``echo-env`` both become ``echo_env``."""
    words = [word.lower() for word in _WORD.findall(identifier(text, fallback="env"))]
    if words and words[-1] == "environment":
        words[-1] = "env"
    name = "_".join(words) or "env"
    is_usable = name.isidentifier() and not keyword.iskeyword(name) and not is_device_name(name)
    return name if is_usable else f"{name}_env"


def is_environment_name(name: str) -> bool:
    """Whether ``name`` is one that ``environment_name`` gives: a plain name for a folder."""
    return environment_name(UntrustedText(name)) == name


def is_device_name(name: str) -> bool:
    """Whether Windows reads ``name``, with any suffix, as a device and not as a file."""
    return bool(_DEVICE.fullmatch(name))


def client_name(environment: str) -> str:
    """``coding_env`` becomes ``CodingEnv``, ``chess`` becomes ``ChessEnv``."""
    name = camel_case(environment)
    return name if name.endswith("Env") else f"{name}Env"


def tools_client_name(server: str) -> str:
    """``weather`` becomes ``WeatherTools``: the client of an MCP server."""
    name = camel_case(server)
    return name if name.endswith("Tools") else f"{name}Tools"


def stem(client: str) -> str:
    """What the names of a client's other classes begin with: ``Coding`` for ``CodingEnv``."""
    return client.removesuffix("Env").removesuffix("Tools") or client


def client_classes(client: str) -> set[str]:
    """The classes that the modules of a package define beside its models."""
    toolset = f"{stem(client)}Toolset"
    return {client, f"Async{client}", f"{client}Codec", toolset, f"Async{toolset}"}


def is_client_name(name: str) -> bool:
    """Whether ``name`` is valid for a client."""
    return all(map(is_class_name, client_classes(name)))


def is_class_name(name: str) -> bool:
    """Whether ``name`` is valid for a class: in camel case, and not used by generated modules."""
    return bool(_CLASS.fullmatch(name)) and name not in _MODULE_NAMES | frozenset(dir(builtins))


def is_field_name(name: str) -> bool:
    """Whether ``name`` is valid for a field: an identifier that is not reserved."""
    is_plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return is_plain and not is_reserved_field(name)


def is_reserved_field(name: str) -> bool:
    """Whether an identifier is one that no field has: pydantic's, a type's, or a private one."""
    return name in _RESERVED_FIELDS or name.startswith(("_", *_PROTECTED))


class ChosenNames:
    """What ``[tool.envgen.envs.*.naming]`` has instead of a ``Class`` or a ``Class.field``."""

    def __init__(self, naming: Mapping[str, str], *, env_name: str) -> None:
        self._naming = naming
        self._unused = set(naming)
        self._env_name = env_name

    def instead_of(self, name: str) -> str | None:
        """The name that replaces ``name``, if there is one."""
        self._unused.discard(name)
        return self._naming.get(name)

    def of_fields(
        self, class_name: str, names: Mapping[str, str], *, taken: frozenset[str]
    ) -> dict[str, str]:
        """The fields' names by wire name, with replaced ones. ConfigError if one is ``taken``."""
        result = dict(names)
        for wire, name in names.items():
            key = f"{class_name}.{name}"
            if (chosen := self.instead_of(key)) is not None:
                result[wire] = chosen
                if chosen in taken or list(result.values()).count(chosen) > 1:
                    raise self.error(key, f"{chosen} is taken")
        return result

    def check_all_used(self) -> None:
        """Check that every name replaced one of the package. Raises ConfigError if not."""
        if self._unused:
            raise self.error(min(self._unused), "the package has no such name to replace")

    def error(self, name: str, message: str) -> ConfigError:
        """An error about the setting for ``name``."""
        key = f'"{name}"' if "." in name else name
        return ConfigError(
            f"tool.envgen.envs.{self._env_name}.naming.{key}: {message}", source="pyproject.toml"
        )


def camel_case(name: str) -> str:
    """``last_exit_code`` becomes ``LastExitCode``; upper-case letters stay, but of ``A_SHOUT``."""
    words = re.split(r"[\W_]+", _SHOUT.sub(lambda match: match[0].title(), name))
    return "".join(word[:1].upper() + word[1:] for word in words)


def class_name(text: UntrustedText) -> str:
    """``Chess move action`` becomes ``ChessMoveAction``, ``simple-user`` ``SimpleUser``."""
    return camel_case(identifier(text, fallback="Model"))


class ClassNames:
    """Hands out unique class names, none of which is ``reserved``."""

    def __init__(self, reserved: frozenset[str], chosen: ChosenNames | None = None) -> None:
        self._taken = set(reserved | _MODULE_NAMES | frozenset(dir(builtins)))
        self._numbers: dict[str, int] = {}
        self.chosen = chosen or ChosenNames({}, env_name="")
        self._replaced = dict.fromkeys(reserved, "")  # the derived name, by the name in the package

    def claim(self, text: UntrustedText, *, within: str) -> str:
        """A class name like ``text``, with ``within`` as a prefix if it is taken.

        A name in the settings doesn't change the derived names of other classes. Raises ConfigError
        if it is taken.
        """
        plain = class_name(text)
        prefixed = plain if plain.startswith(within) else f"{within}{plain}"
        free = (name for name in (plain, prefixed) if name not in self._taken)
        name = next(free, None) or _numbered(prefixed, self._taken, self._numbers)
        self._taken.add(name)
        final = self.chosen.instead_of(name) or name
        if final in self._replaced:
            key = name if final != name else self._replaced[final]
            raise self.chosen.error(key, f"{final} is taken")
        self._replaced[final] = name
        return final


def _numbered(name: str, taken: AbstractSet[str], numbers: dict[str, int]) -> str:
    """The first of ``name2``, ``name3``... that is free; ``numbers`` has the next to try."""
    number = numbers.get(name, 2)
    while f"{name}{number}" in taken:
        number += 1
    numbers[name] = number + 1
    return f"{name}{number}"


def _needs_no_change(wire_name: str) -> bool:
    """Whether Python takes a name as it is; pydantic takes no underscore before one."""
    is_plain = wire_name.isidentifier() and not keyword.iskeyword(wire_name)
    return (
        is_plain and not wire_name.startswith("_") and unicodedata.is_normalized("NFKC", wire_name)
    )


def field_names(wire_names: list[UntrustedText], *, taken: frozenset[str]) -> dict[str, str]:
    """The Python name of each field, by wire name; it shadows no class in ``taken``.

    Names that need no change are settled first, then the others in the order of their wire names:
    a new field never renames a field whose name needed no change.
    """
    return _member_names(wire_names, _RESERVED_FIELDS | taken, _PROTECTED)


def method_names(wire_names: list[UntrustedText], *, taken: frozenset[str]) -> dict[str, str]:
    """The name of each tool's method, by the tool's name. As ``field_names``.

    A namespace of tools is no model, so pydantic's names are free there.
    """
    return _member_names(wire_names, _RESERVED_METHODS | taken, ("envgen_",))


def function_names(wire_names: list[str], *, taken: AbstractSet[str]) -> dict[str, str]:
    """The name of each function, or of each parameter, that a trainer shows models.

    As ``method_names``, and each is a word, as the parsers of docstrings know them.
    """
    texts = [UntrustedText(name) for name in wire_names]
    return _member_names(texts, _RESERVED_METHODS | taken | {"self"}, ("envgen_",), is_word=True)


def is_method_name(name: str) -> bool:
    """Whether an identifier is one that ``method_names`` gives: no type's, and not private."""
    return name not in _RESERVED_METHODS and not name.startswith("_")


def _member_names(
    wire_names: list[UntrustedText],
    reserved: AbstractSet[str],
    protected: tuple[str, ...],
    *,
    is_word: bool = False,
) -> dict[str, str]:
    names = {
        text.raw: text.raw
        if _needs_no_change(text.raw) and (not is_word or _PLAIN_WORD.fullmatch(text.raw))
        else identifier(text, fallback="field")
        for text in wire_names
    }
    result = {
        wire: name
        for wire, name in names.items()
        if wire == name and name not in reserved and not name.startswith(protected)
    }
    used = set(result.values())
    numbers: dict[str, int] = {}
    for wire in sorted(names.keys() - result.keys()):
        name = names[wire]
        if name.startswith(protected):
            name = f"field_{name}"
        if name in reserved:
            name += "_"
        if name in used:
            name = _numbered(f"{name.rstrip('_')}_", used, numbers)
        result[wire] = name
        used.add(result[wire])
    return {wire: result[wire] for wire in names}
