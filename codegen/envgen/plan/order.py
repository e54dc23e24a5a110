"""The order in which classes and aliases are declared, and where their recursion is cut.

pydantic builds a class together with all that it refers to, within Python's recursion limit. So a
definition is declared after those that it uses; those that refer to each other stand together, with
their aliases first, written to be evaluated late. Where that would nest too deeply, or one class
would hold too many others, a reference is linked: looked up when a value reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from .plan import PlannedAlias, PlannedClass
from .types import Named, Type, Union, named_in, size

Graph = Mapping[str, list[str]]
Item = PlannedClass | PlannedAlias

# What pydantic builds in one go: it takes some ten frames of Python's stack for each level.
_MAX_DEPTH = 20
_MAX_CLASSES = 200
_MAX_ALIAS = 300
"""Types that an alias may repeat wherever it is used, before it is evaluated once for all uses."""


def components(graph: Graph) -> list[list[str]]:
    """Return the groups of names that lead to each other, each after those that it leads to."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    groups: list[list[str]] = []
    for start in graph:
        if start in index:
            continue
        path = [(start, iter(graph[start]))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while path:
            name, targets = path[-1]
            target = next(targets, None)
            if target is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == index[name]:
                    group: list[str] = []
                    while not group or group[-1] != name:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                    groups.append(group)
            elif target not in index:
                index[target] = low[target] = len(index)
                stack.append(target)
                on_stack.add(target)
                path.append((target, iter(graph[target])))
            elif target in on_stack:
                low[name] = min(low[name], index[target])
    return groups


def in_order(definitions: Mapping[str, Item], first: Iterable[str]) -> dict[str, Item]:
    """Return definitions in the order in which they are declared.

    Args:
        definitions: classes and aliases, by name.
        first: the names of the parts, which settle the order of what they use.
    """
    names = [*dict.fromkeys([*first, *definitions])]
    graph = {name: _uses(definitions[name]) for name in names}
    declaration = _Declaration(definitions)
    for group in components(graph):
        is_recursive = len(group) > 1 or group[0] in graph[group[0]]
        if is_recursive and _depth(group, graph) > _MAX_DEPTH:
            declaration.add_in_pieces(group)
        else:
            declaration.add(group, is_recursive=is_recursive)
    return declaration.result


class _Declaration:
    """Definitions in order, with what building each of them takes."""

    def __init__(self, definitions: Mapping[str, Item]) -> None:
        self.result: dict[str, Item] = {}
        self._definitions = definitions
        self._depths: dict[str, int] = {}
        self._built_in: dict[str, frozenset[str]] = {}
        self._weights: dict[str, int] = {}

    def add(self, group: list[str], *, is_recursive: bool) -> None:
        """Declare definitions that are built together, after all others that they use."""
        members = frozenset(group)
        depth, built_in = len(group), members
        links: set[str] = set()
        uses = [used for holder in group for used in _uses(self._definitions[holder])]
        told_apart = self._told_apart(group)
        for name in dict.fromkeys(uses):
            if name in members:
                continue
            deeper, together = self._depths[name] + len(group), built_in | self._built_in[name]
            is_too_much = deeper > _MAX_DEPTH or len(together) > _MAX_CLASSES
            if is_too_much and name not in told_apart:
                links.add(name)
            else:
                depth, built_in = max(depth, deeper), together
        for name in sorted(group, key=lambda name: name in self._classes(group)):
            item = _linked(self._definitions[name], dict.fromkeys(links, ""))
            if isinstance(item, PlannedAlias):
                weight = self._weight(item.type)
                is_heavy = weight > _MAX_ALIAS and weight > size(item.type)
                item = replace(item, is_lazy=is_recursive or is_heavy)
                self._weights[name] = 1 if item.is_lazy else weight
            self.result[name] = item
            self._depths[name], self._built_in[name] = depth, built_in

    def add_in_pieces(self, group: list[str]) -> None:
        """Declare definitions that lead to each other too deeply to be built together."""
        members, classes = set(group), self._classes(group)
        graph = {
            name: [
                used
                for used in _uses(self._definitions[name])
                if used in members and (used in classes or name not in classes)
            ]
            for name in group
        }
        back = _back_edges(graph)
        late = {target for _, target in back if target in classes}
        definitions = dict(self._definitions)
        for name in group:
            links = {used: "" for used in _uses(definitions[name]) if used not in classes}
            links = {used: "" for used in links if used in members and name in classes}
            links |= {
                used: "_" if used in classes else "" for holder, used in back if holder == name
            }
            definitions[name] = _linked(definitions[name], links)
            if name not in classes:
                definitions[name] = replace(definitions[name], is_lazy=True)  # type: ignore[arg-type]
        self._definitions = definitions
        for name in sorted(late):
            self.result[f"_{name}"] = PlannedAlias(f"_{name}", Named(name), is_lazy=True)
        acyclic = {
            name: [used for used in used_by if (name, used) not in back]
            for name, used_by in graph.items()
        }
        for piece in components(acyclic):
            self._depths.update({f"_{name}": 0 for name in late})
            self._built_in.update({f"_{name}": frozenset() for name in late})
            self.add(piece, is_recursive=not classes.issuperset(piece))

    def _classes(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if isinstance(self._definitions[name], PlannedClass)}

    def _told_apart(self, group: list[str]) -> set[str]:
        """The members of the group's unions that tell them apart by a tag."""
        types = (type_ for holder in group for type_ in self._definitions[holder].types())
        return {name for type_ in types for name in _tagged_members(type_)}

    def _weight(self, type_: Type) -> int:
        """How many types a type is made of once aliases are written out."""
        return size(type_) + sum(self._weights.get(used.name, 0) for used in named_in(type_))


def _uses(item: Item) -> list[str]:
    """The definitions that one builds in, each once."""
    named = (used for type_ in item.types() for used in named_in(type_) if not used.is_linked)
    return [*dict.fromkeys(used.name for used in named)]


def _linked(item: Item, links: Mapping[str, str]) -> Item:
    """A definition with references linked: by name, what stands before the name."""
    if not links:
        return item

    def link(type_: Type) -> Type:
        if isinstance(type_, Named) and type_.name in links:
            return Named(f"{links[type_.name]}{type_.name}", is_linked=True)
        if isinstance(type_, Union) and type_.tag is not None:
            return type_
        return type_.map_children(link)

    if isinstance(item, PlannedAlias):
        return replace(item, type=link(item.type))
    fields = tuple(replace(field, type=link(field.type)) for field in item.fields)
    extras = None if item.extras is None else (item.extras[0], link(item.extras[1]))
    return replace(item, fields=fields, extras=extras)


def _tagged_members(type_: Type) -> Iterator[str]:
    if isinstance(type_, Union) and type_.tag is not None:
        yield from (member.name for member in type_.members if isinstance(member, Named))
    else:
        for child in type_.children():
            yield from _tagged_members(child)


def _depth(group: list[str], graph: Graph) -> int:
    """How deeply building one of the group nests at most, each being entered once."""
    if len(group) <= _MAX_DEPTH:
        return len(group)
    members = set(group)
    deepest = 0
    for start in group[:_MAX_CLASSES]:
        entered, path = {start}, [iter(graph[start])]
        while path and deepest <= _MAX_DEPTH:
            target = next(path[-1], None)
            if target is None:
                path.pop()
            elif target in members and target not in entered:
                entered.add(target)
                path.append(iter(graph[target]))
                deepest = max(deepest, len(path))
    return deepest if len(group) <= _MAX_CLASSES else _MAX_DEPTH + 1


def _back_edges(graph: Graph) -> set[tuple[str, str]]:
    """The references without which nothing leads back to itself."""
    found: set[tuple[str, str]] = set()
    done: dict[str, bool] = {}
    for start in graph:
        if start in done:
            continue
        path = [(start, iter(graph[start]))]
        done[start] = False
        while path:
            name, targets = path[-1]
            target = next(targets, None)
            if target is None:
                done[name] = True
                path.pop()
            elif target not in done:
                done[target] = False
                path.append((target, iter(graph[target])))
            elif not done[target]:
                found.add((name, target))
    return found
