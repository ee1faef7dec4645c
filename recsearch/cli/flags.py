"""Flags derived from the settings of a run: type and default from `RunConfig`, help in words."""

from collections.abc import Iterable
from typing import Any

from recsearch.config.descriptions import SETTINGS
from recsearch.config.run_config import RunConfig, setting_type

_TYPES = {"int": int, "float": float, "str": str, "tuple[str, ...]": str}


def add_settings(group: Any, names: Iterable[str]) -> None:
    """Adds one flag per setting."""
    for name in names:
        add_setting(group, name)


def add_setting(group: Any, name: str, help: str | None = None) -> None:
    """Adds the flag of a setting.

    Its default is always None, so that a setting in a TOML file is kept where no flag is given.

    Args:
        group: An argparse parser or group.
        name: The field of `RunConfig`.
        help: Replaces the help of the setting, in commands where its meaning differs.
    """
    setting, kind = SETTINGS[name], setting_type(name)
    options: dict[str, Any] = {"default": None, "help": help or help_text(name)}
    if kind == "bool":
        options["action"] = "store_true"
    elif setting.choices:
        options["choices"] = setting.choices
    else:
        options |= {"metavar": setting.metavar, "type": _TYPES[kind]}
    if kind.startswith("tuple"):
        options["action"] = "append"
    group.add_argument(f"--{name.replace('_', '-')}", **options)


def help_text(name: str) -> str:
    """Returns the help of a setting, with its default.

    Example:
        >>> help_text("workers")
        'number of worker processes (default: 1)'
    """
    setting = SETTINGS[name]
    default = setting.default or _shown(getattr(RunConfig, name))
    return f"{setting.help} (default: {default})" if default else setting.help


def _shown(default: Any) -> str:
    """Returns a default as a flag would give it; empty if the setting is off or has none."""
    if default is None or default is False:
        return ""
    if isinstance(default, tuple):
        return " ".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)
