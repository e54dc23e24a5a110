"""Plain types for trainers."""

from __future__ import annotations

from envgen.render.hints import ANY, hint_of


def test_a_tuple_of_one_is_a_list_that_transformers_takes() -> None:
    one = {"type": "array", "prefixItems": [{"type": "string"}]}
    two = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}
    assert hint_of(one, {}).render() == "list[Any]"
    assert hint_of(two, {}).render() == "tuple[str, int]"


def test_what_refers_to_itself_in_many_places_is_read_in_bounds() -> None:
    """Twelve levels of twelve references each are more than any machine reads."""
    node = {"type": "array", "prefixItems": [{"$ref": "#/$defs/N"}] * 12}
    root = {"$defs": {"N": node}}
    assert hint_of({"$ref": "#/$defs/N"}, root) != ANY
