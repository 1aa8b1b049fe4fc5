"""What a piece of data is: its id, by content (docs/artifact-identity.md).

The names below are loaded when they are first asked for: at the start of a recorded process only
``deferred`` is, and the rest would be two thirds of what the start costs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otelprov.artifacts.digest import ColumnDigest, TableDigest
    from otelprov.artifacts.files import identify_path
    from otelprov.artifacts.formats import table_in_file
    from otelprov.artifacts.identity import identify
    from otelprov.artifacts.locations import identify_location
    from otelprov.artifacts.tables import table_tree
    from otelprov.artifacts.values import digest_value

__all__ = [
    "ColumnDigest",
    "TableDigest",
    "digest_value",
    "identify",
    "identify_location",
    "identify_path",
    "table_in_file",
    "table_tree",
]

_HOMES = {
    "ColumnDigest": "digest",
    "TableDigest": "digest",
    "digest_value": "values",
    "identify": "identity",
    "identify_location": "locations",
    "identify_path": "files",
    "table_in_file": "formats",
    "table_tree": "tables",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found
