"""How datamodel-code-generator is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import AuditError

if TYPE_CHECKING:
    from datamodel_code_generator.config import GenerateConfig


def classes_of(definitions: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    """The module that datamodel-code-generator renders for definitions.

    Args:
        definitions: JSON Schemas, by the names of their classes.
        aliases: the Python names of fields that have others on the wire, by ``CLASS.NAME``.

    Raises:
        AuditError: it rendered something else than one module.
    """
    # Importing it takes half a second: not for --help, nor where nothing is built.
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType, InputFileType
    from datamodel_code_generator.format import PythonVersion

    document = {"$defs": definitions}
    options: dict[str, Any] = {
        "input_file_type": InputFileType.JsonSchema,
        "output_model_type": DataModelType.PydanticV2BaseModel,
        "target_python_version": PythonVersion.PY_311,
        "aliases": aliases,
        # Nothing but these options may decide what is rendered.
        "settings_path": Path("/nonexistent"),
        "formatters": [],
        "disable_timestamp": True,
        "treat_dot_as_module": False,
        "field_constraints": True,
        "use_annotated": True,
        "strict_nullable": True,
        "use_double_quotes": True,
        "use_schema_description": True,
        "use_field_description": True,
        "use_inline_field_description": True,
        "skip_root_model": True,
    }
    try:
        source = generate(document, config=_settings(options))
    except (ImportError, AttributeError):  # this version has other settings
        source = generate(document, **options)
    if not isinstance(source, str):
        raise AuditError("datamodel-code-generator rendered several modules, not one")
    return source


def _settings(options: Mapping[str, Any]) -> GenerateConfig:
    """The options as ``generate`` makes them of its keywords, but for what that takes.

    Its keywords are validated by models of all settings of all its parsers, and making those models
    is a sixth of a build. Its command line doesn't use them either.

    Raises:
        ImportError: the version is older than what the command line uses.
    """
    from datamodel_code_generator.base_config import BaseGenerateConfig

    class Settings(BaseGenerateConfig):
        """``GenerateConfig`` has these settings beside those that all ways in share."""

        input_filename: Any = None
        extra_template_data: Any = None
        validators: Any = None
        aliases: Any = None
        serialization_aliases: Any = None
        command_line: Any = None
        apply_default_values_for_required_fields: bool = False
        force_optional_for_required_fields: bool = False
        strict_types: Any = None
        custom_class_name_generator: Any = None
        openapi_scopes: Any = None
        graphql_scopes: Any = None
        custom_formatters_kwargs: Any = None
        settings_path: Any = None
        default_value_overrides: Any = None

    return cast("GenerateConfig", Settings.model_construct(**options))
