"""datamodel-code-generator renders the same, whichever way it takes its settings."""

from __future__ import annotations

from typing import Any

import pytest

from envgen.render import library

DEFINITIONS = {
    "EnvgenN1x": {
        "type": "object",
        "properties": {
            "text": {"customTypePath": "envgen_types.EnvgenT1x", "description": "What it is."},
            "other-name": {"customTypePath": "envgen_types.EnvgenT2x", "default": "EnvgenC1x"},
        },
        "required": ["text"],
        "customBasePath": "envgen_runtime.generated.RequestModel",
        "description": "A request.",
    }
}
ALIASES = {"EnvgenN1x.other-name": "other_name"}


@pytest.mark.parametrize("error", [ImportError, AttributeError])
def test_a_version_with_other_settings_renders_the_same(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = library.classes_of(DEFINITIONS, ALIASES)
    assert "other_name" in quick

    def refused(_options: Any) -> Any:
        raise error

    monkeypatch.setattr(library, "_settings", refused)
    assert library.classes_of(DEFINITIONS, ALIASES) == quick


def test_the_quick_settings_are_those_of_the_keywords() -> None:
    from datamodel_code_generator.config import GenerateConfig

    quick = library._settings({})
    assert {name: getattr(quick, name) for name in GenerateConfig.model_fields} == {
        name: field.get_default(call_default_factory=True)
        for name, field in GenerateConfig.model_fields.items()
    }
