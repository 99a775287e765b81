"""Writes the page about the settings from the settings themselves: `make docs`."""

from __future__ import annotations

from cityhub.settings import FIELDS, Field

HEAD = """# Settings

Made from `src/cityhub/settings.py` by `make docs`; a test fails when it is out of date.

A hub needs no settings. Each can be given in four places, and a later one wins:

1. the default;
2. a TOML file: `cityhub.toml` in the data folder, or the file that the variable `CITYHUB_SETTINGS` names;
3. the environment: `CITYHUB_` and the name in capitals;
4. the command line (`cityhub run --help` lists the options that exist there).

`cityhub check` shows the values in force and where each came from, never a password. A value that cannot be used
stops the start with a message that names the setting, the value, the source and what would be right. A variable
`CITYHUB_...` that names no setting is warned of. Lists are separated by `,` in the environment.

| setting | variable | default | meaning |
|---|---|---|---|
"""

FOOT = """
A file may look like this:

```toml
host = "0.0.0.0"
port = 8080
store = "postgresql://hub:secret@db.local/hub"
outbound_allow = ["broker.city.local:1883", "10.20.0.0/16"]
```
"""


def row(field: Field) -> str:
    """The table row of one setting."""
    default = "empty" if field.default in ("", ()) else "none" if field.default is None else f"`{field.default}`"
    default = default.lower() if isinstance(field.default, bool) else default
    return f"| `{field.name}` | `{field.variable}` | {default} | {field.description} |\n"


def page() -> str:
    """The whole page."""
    return HEAD + "".join(row(field) for field in FIELDS.values()) + FOOT


if __name__ == "__main__":
    print(page(), end="")
