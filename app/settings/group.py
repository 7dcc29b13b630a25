"""How a group of settings is read: from variables with its prefix, and from files."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)


def from_commas_or_json(value: Any) -> Any:
    """Accept `a,b` as well as JSON, since environment variables are typed by hand."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


StrList = Annotated[list[str], NoDecode, BeforeValidator(from_commas_or_json)]
SecretList = Annotated[list[SecretStr], NoDecode, BeforeValidator(from_commas_or_json)]


class _Files(SecretsSettingsSource):
    """A folder with a file for each variable. An empty file is as good as none, as an empty variable is."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        return value or None, key, is_complex


class Group(BaseSettings):
    """Settings of one prefix. What the environment does not set is read from files in SLUICE_SECRETS_DIR.

    A file bears the variable's name. It is for secrets where an environment is stored or shown, as that of a
    container is by Docker and that of a flow run by Prefect.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = os.environ.get("SLUICE_SECRETS_DIR")
        files = _Files(settings_cls, secrets_dir=folder) if folder else file_secret_settings
        return init_settings, env_settings, dotenv_settings, files


def prefixed(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=f"SLUICE_{prefix}", env_ignore_empty=True, extra="ignore")
