"""A program for the user's interpreter: imports classes and writes their JSON Schemas.

envgen runs its text with ``python -c``, so it imports nothing of envgen's, and works where the
classes do: Python 3.10 and later, with pydantic 2. Its arguments are a module and

- ``action=NAME observation=NAME ...``: the class of each part of a contract;
- ``environment=NAME``: an environment's class, whose methods tell the classes;
- ``app=NAME``: the application that serves an environment, for the parameters of its reset.

It answers with a JSON object: the ``document``, or a ``missing`` name, a ``problem`` or an
``error``.
"""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import json
import os
import sys
import traceback
import typing
from collections.abc import Callable, Iterator
from typing import Any, cast

Schemas = dict[str, Any]

_COMMON_PARAMETERS = ("seed", "episode_id")  # of every reset; no contract lists them
_BASES = ("Action", "Observation", "State")


class Problem(Exception):
    """What stands in the way of a contract, for the user."""


# --- the types of an environment's methods --------------------------------------------------------


class Environment:
    """The class of an environment.

    The types of its methods are those of their annotations. An annotation that says nothing, such
    as the base Action, gives way to those of the classes that it inherits from, where type
    parameters stand for what the class gives for them: ``Environment[MyAction, ...]``.
    """

    def __init__(self, cls: Any) -> None:
        if not inspect.isclass(cls):
            raise Problem("this names no classes, but something else")
        self.cls = cls
        self._arguments: dict[Any, Any] = {}
        for base in cls.__mro__:
            for generic in base.__dict__.get("__orig_bases__", ()):
                parameters = getattr(typing.get_origin(generic), "__parameters__", ())
                for parameter, argument in zip(parameters, typing.get_args(generic)):  # noqa: B905
                    self._arguments.setdefault(parameter, self._argument(argument))

    def document(self) -> Schemas:
        """The contract that the methods tell."""
        lacking = [name for name in ("reset", "step") if not callable(self._method(name))]
        if lacking:
            raise Problem(
                f"this names no classes of an environment: {self.cls.__name__} has no "
                f"{' and no '.join(lacking)}"
            )
        action = self._specific("step", "action", first_parameter)
        observation = self._specific("step", "observation", returned)
        state = self._first("state", returned)
        if state is None:
            raise Problem("its state has no type: annotate what the property returns")
        parts = {"action": action, "observation": observation, "state": state}
        begun = self._first("reset", returned)
        if begun is not None and not is_like(begun, observation):
            parts["reset_observation"] = begun
        document = schemas(parts)
        parameters = self.reset_parameters()
        return document if parameters is None else {**document, "reset_parameters": parameters}

    def reset_parameters(self) -> Schemas | None:
        """The schema of what its reset takes beside a seed and an episode; None for nothing."""
        method = self._method("reset")
        parameters = {
            name: parameter
            for name, parameter in list(signature(method).parameters.items())[1:]
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and name not in _COMMON_PARAMETERS
        }
        if not parameters:
            return None
        types = {name: hint(method, item.annotation) for name, item in parameters.items()}
        known, shared = together({name: it for name, it in types.items() if has_schema(it)})
        properties = {
            name: {**known.get(name, {}), **default(item)} for name, item in parameters.items()
        }
        empty = inspect.Parameter.empty
        required = [name for name, item in parameters.items() if item.default is empty]
        needs = {"required": required} if required else {}
        return {"type": "object", "properties": properties, **needs, **shared}

    def _specific(self, name: str, part: str, read: Reader) -> Any:
        """The type of a part that a client can't do without."""
        found = self._first(name, read)
        if found is None or is_base(found):
            says = "no type" if found is None else f"the base {found.__name__}"
            raise Problem(
                f"{self.cls.__name__}.{name} says {says} for its {part}: annotate it, or name the "
                "classes"
            )
        return found

    def _first(self, name: str, read: Reader) -> Any:
        """The first type of a method that says something, else a base class; None for neither."""
        bases: list[Any] = []
        for method in self._definitions(name):
            found = self._argument(hint(method, read(method)))
            if isinstance(found, typing.TypeVar):
                found = found.__bound__
            if found not in (None, Any) and not isinstance(found, typing.TypeVar):
                if not is_base(found):
                    return found
                bases.append(found)
        return bases[0] if bases else None

    def _argument(self, type_: Any) -> Any:
        try:
            return self._arguments.get(type_, type_)
        except TypeError:  # a type that can't be hashed is no type parameter
            return type_

    def _method(self, name: str) -> Any:
        return next(self._definitions(name), None)

    def _definitions(self, name: str) -> Iterator[Callable[..., Any]]:
        """The definitions of a method, the class's own first, and its async form where it has one.

        A server prefers ``reset_async`` and ``step_async`` where the class overrides them.
        """
        for cls in self.cls.__mro__:
            plain, async_ = cls.__dict__.get(name), cls.__dict__.get(f"{name}_async")
            is_overridden = not getattr(plain, "__isabstractmethod__", False)
            for found in (async_ if is_overridden else None, plain):
                function = getattr(found, "fget", None) or getattr(found, "func", None) or found
                if callable(function):
                    yield inspect.unwrap(function)


Reader = Callable[[Callable[..., Any]], Any]


def first_parameter(method: Callable[..., Any]) -> Any:
    """The annotation of a method's first parameter after ``self``."""
    parameters = list(signature(method).parameters.values())[1:]
    return parameters[0].annotation if parameters else inspect.Parameter.empty


def returned(method: Callable[..., Any]) -> Any:
    """The annotation of what a method returns."""
    return signature(method).return_annotation


def signature(method: Callable[..., Any]) -> inspect.Signature:
    """A method's signature, its annotations not yet resolved."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(method, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(method)


def hint(method: Callable[..., Any], annotation: Any) -> Any:
    """The type that an annotation means; Any where it is missing, or a name can't be resolved."""
    if annotation is inspect.Parameter.empty:
        return Any

    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    try:
        names = getattr(method, "__globals__", {})
        return typing.get_type_hints(holder, globalns=names, include_extras=True)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError):  # for type checkers alone
        return Any


def is_base(type_: Any) -> bool:
    """Whether it is one of OpenEnv's base classes, which have no fields of an environment."""
    name, module = getattr(type_, "__name__", ""), getattr(type_, "__module__", "")
    return name in _BASES and "env_server" in module


def is_like(begun: Any, observation: Any) -> bool:
    """Whether what a reset returns can be read as what a step returns.

    An annotation with a base class leaves open which class it is, and ``/schema`` names one for
    both.
    """
    if not (inspect.isclass(begun) and inspect.isclass(observation)):
        return bool(begun == observation)
    described = schemas({"begun": begun, "it": observation})
    needed, has = described["it"].get("required", ()), described["begun"].get("properties", ())
    return issubclass(observation, begun) and set(needed) <= set(has)


# --- schemas --------------------------------------------------------------------------------------


def schemas(types: dict[str, Any]) -> Schemas:
    """The JSON Schema of each type: of what is sent as it is read, of the others as written."""
    from pydantic import TypeAdapter

    replies = ("observation", "state", "reset_observation")
    return {
        name: TypeAdapter(type_).json_schema(
            mode="serialization" if name in replies else "validation"
        )
        for name, type_ in types.items()
    }


def together(types: dict[str, Any]) -> tuple[dict[str, Schemas], Schemas]:
    """The schema of each type, and the definitions that they share."""
    from pydantic import TypeAdapter

    inputs = [(name, "validation", TypeAdapter(type_)) for name, type_ in types.items()]
    found, shared = TypeAdapter.json_schemas(inputs)  # type: ignore[arg-type]
    return {name: schema for (name, _), schema in found.items()}, shared


def has_schema(type_: Any) -> bool:
    """Whether pydantic can describe a type; what it can't is left untyped."""
    from pydantic.errors import PydanticUserError

    try:
        schemas({"it": type_})
    except (PydanticUserError, NameError, TypeError):
        return False
    return True


def default(parameter: inspect.Parameter) -> Schemas:
    """The default of a parameter, if JSON can say it."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    if parameter.default is inspect.Parameter.empty:
        return {}
    try:
        value = to_jsonable_python(parameter.default)
        json.dumps(value, allow_nan=False)
    except (PydanticSerializationError, TypeError, ValueError):
        return {}
    return {"default": value}


# --- the environment behind an application --------------------------------------------------------


def served_class() -> type | None:
    """The class of the environment that the imported application serves; None if not OpenEnv's."""
    everything: list[Any] = gc.get_objects()
    servers = [item for item in everything if type(item).__name__ == "HTTPEnvServer"]
    if not servers:
        return None
    classes: set[Any] = set(filter(inspect.isclass, map(factory, servers)))
    if not classes:
        # A factory: its class is the only one that can be instantiated and is not OpenEnv's.
        for server in servers:
            interfaces = sys.modules[type(server).__module__]
            classes |= set(own_subclasses(interfaces.Environment))
    if len(classes) != 1:
        raise Problem("the application doesn't tell the class of its environment")
    found: type = classes.pop()
    return found


def factory(server: Any) -> Any:
    """What makes a server's environments. The first servers hold a single one."""
    made: object = getattr(server, "_env_factory", None)
    while isinstance(made, functools.partial):
        made = cast("functools.partial[object]", made).func
    return made if made is not None else cast("object", type(server.env))


def own_subclasses(base: type) -> Iterator[type]:
    """The concrete subclasses of a class that are not from its own distribution."""
    cls: type
    for cls in base.__subclasses__():
        is_own = cls.__module__.partition(".")[0] != base.__module__.partition(".")[0]
        if is_own and not inspect.isabstract(cls):
            yield cls
        yield from own_subclasses(cls)


# --- the program ----------------------------------------------------------------------------------


def answer(module_name: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Import the module and describe what the pairs name in it."""
    try:
        module = importlib.import_module(module_name)
        found: dict[str, Any] = {}
        for part, name in pairs:
            try:
                found[part] = functools.reduce(getattr, name.split("."), module)
            except AttributeError:
                return {"missing": name}
        if "app" in found:
            served = served_class()
            parameters = None if served is None else Environment(served).reset_parameters()
            return {"document": {} if parameters is None else {"reset_parameters": parameters}}
        if "environment" in found:
            return {"document": Environment(found["environment"]).document()}
        return {"document": schemas(found)}
    except Problem as problem:
        return {"problem": str(problem)}
    except BaseException as error:  # noqa: BLE001 - whatever the import does is told
        told = traceback.format_exception_only(type(error), error)
        return {"error": "".join(told).strip()[-2000:]}


def main() -> None:
    """Answer the arguments on standard output."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as with ``python -m``
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)  # prints of the import must not mix with the answer
        module, *pairs = sys.argv[1:]
        parts = [pair.partition("=") for pair in pairs]
        json.dump(answer(module, [(part, name) for part, _, name in parts]), output)
        output.flush()
        os._exit(0)  # threads of the import are not waited for


if __name__ == "__main__":
    main()
