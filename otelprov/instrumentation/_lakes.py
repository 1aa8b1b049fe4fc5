"""Tables with versions of their own: what is the same for Delta Lake and Iceberg."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from otelprov.artifacts import lakes
from otelprov.artifacts.arrow import arrow_form
from otelprov.artifacts.digest import NoCanonicalForm, schema_id
from otelprov.artifacts.lakes import table_place
from otelprov.instrumentation._calls import Observed
from otelprov.model import Artifact
from otelprov.recording import faults


def version_at(
    location: str, facts: Mapping[str, str], version: str, schema: Callable[[], Any] | None = None
) -> Artifact:
    """A version of the table at ``location``; ``schema`` gives its Arrow schema."""
    found, columns = _schema(schema) if schema is not None else (None, None)
    return lakes.version_at(table_place(location), facts, version, found, columns)


def _schema(schema: Callable[[], Any]) -> tuple[str | None, int | None]:
    """Its id, and how many columns it has. pyarrow is not imported for it."""
    pyarrow: Any = sys.modules.get("pyarrow")
    if pyarrow is None:
        return None, None
    try:
        fields = list(pyarrow.schema(schema()))
        named = [(field.name, arrow_form(field.name, field).label) for field in fields]
        return schema_id(named), len(fields)
    except NoCanonicalForm:
        return None, None
    except Exception as error:
        if faults.is_of_the_program(error):
            raise
        return None, None  # of types that pyarrow has not


class OfTable(Observed):
    """A call about a table whose version is known to the library's own object."""

    __slots__ = ()

    def failed(self, error: BaseException) -> None:
        """It used what it used, and made nothing."""
        with faults.contained(self.site.end_not_recorded):
            try:
                self.operation.leave()
            finally:
                self.close(error)
