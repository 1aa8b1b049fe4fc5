"""What a piece of data is: its id, by content (docs/artifact-identity.md)."""

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
