"""Statements over tables of Delta Lake: ``QueryBuilder`` of deltalake."""

from __future__ import annotations

from typing import Any

from otelprov import semconv
from otelprov.instrumentation._databases import MAX_STATEMENT
from otelprov.instrumentation._lakes import OfTable
from otelprov.instrumentation._statements import statements
from otelprov.instrumentation.deltalake import registered
from otelprov.recording.policy import shorten
from otelprov.statements import mask_literals


class Queried(OfTable):
    """A statement over tables that were registered."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        text = str(self.parameters.get("sql"))
        known = registered.get(self.target, {})
        for statement in statements(text, "postgres"):
            for name in statement.reads:
                found = known.get(name[-1].lower())
                if found is not None:
                    self.operation.use_content("table", found)
        self.operation.state({semconv.DB_QUERY_TEXT: shorten(mask_literals(text), MAX_STATEMENT)})
