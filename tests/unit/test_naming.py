"""Names are what users import: the rules don't move."""

from __future__ import annotations

import pytest

from envgen.naming import ClassNames, client_name, environment_name, field_names
from envgen.text import UntrustedText


@pytest.mark.parametrize(
    ("given", "package", "client"),
    [
        ("coding_env", "coding_env", "CodingEnv"),
        ("EchoEnvironment", "echo_env", "EchoEnv"),
        ("kernrl", "kernrl", "KernrlEnv"),
        ("connect4_env", "connect4_env", "Connect4Env"),
        ("REPLEnv", "repl_env", "ReplEnv"),
        ("my-env v2", "my_env_v2", "MyEnvV2Env"),
        ("../../etc/passwd", "etc_passwd", "EtcPasswdEnv"),
        ("class", "class_env", "ClassEnv"),
        ("2048", "env_2048", "Env2048Env"),
        ("", "env", "Env"),
        ("💥", "env", "Env"),
    ],
)
def test_environment_names(given: str, package: str, client: str) -> None:
    assert environment_name(UntrustedText(given)) == package
    assert client_name(package) == client


@pytest.mark.parametrize(
    ("wire", "python"),
    [
        ("column", "column"),
        ("actionId", "actionId"),
        ("from", "from_"),
        ("schema", "schema_"),
        ("copy", "copy_"),
        ("model_name", "model_name"),
        ("model_dump", "field_model_dump"),
        ("model_fields", "model_fields_"),
        ("list", "list_"),
        ("Field", "Field_"),
        ("_private", "private"),
        ("__class__", "class_"),
        ("x-y.z", "x_y_z"),
        ("1st", "field_1st"),
        ("", "field"),
        ("größe", "größe"),
        ("id", "id"),
    ],
)
def test_field_names(wire: str, python: str) -> None:
    assert field_names([UntrustedText(wire)], taken=frozenset()) == {wire: python}


def test_fields_that_fold_to_one_name_all_stay() -> None:
    wires = ["a_b", "a-b", "a b", "ﬁt", "fit"]
    names = field_names([UntrustedText(wire) for wire in wires], taken=frozenset())
    assert names == {"a_b": "a_b", "a-b": "a_b_3", "a b": "a_b_2", "ﬁt": "fit_2", "fit": "fit"}


def test_a_field_never_shadows_a_class_its_own_class_uses() -> None:
    assert field_names([UntrustedText("Point")], taken=frozenset({"Point"})) == {"Point": "Point_"}


def test_a_class_name_is_given_once() -> None:
    names = ClassNames(frozenset({"CodingEnv"}))
    claims = [
        names.claim(UntrustedText(text), within="Obs")
        for text in ("Point", "Point", "Point", "CodingEnv", "int", "Field", "__Odd name__")
    ]
    assert claims == [
        "Point",
        "ObsPoint",
        "ObsPoint2",
        "ObsCodingEnv",
        "Int",
        "ObsField",
        "OddName",
    ]


@pytest.mark.slow
def test_many_names_that_fall_together_take_linear_time() -> None:
    wires = [UntrustedText("a" + "-" * length) for length in range(1, 20_000)]
    names = field_names(wires, taken=frozenset())
    assert len(set(names.values())) == len(wires)
    classes = ClassNames(frozenset())
    assert len({classes.claim(UntrustedText("A"), within="B") for _ in range(20_000)}) == 20_000
