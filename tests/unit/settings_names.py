"""The variables of every setting, for files that set them outside Python."""

from __future__ import annotations

from app.dev.settings_table import in_the_code

SETTINGS = {setting.variable for setting in in_the_code()} | {"SLUICE_SECRETS_DIR"}
SECRETS = {setting.variable for setting in in_the_code() if "secret" in setting.kind}
"""Those whose value must not be shown."""
