"""Files that ``pyarrow.fs.copy_files`` carries between file systems."""

from __future__ import annotations

from urllib.parse import unquote

from otelprov.artifacts.locations import identify_location, name_and_uri
from otelprov.instrumentation._calls import Observed
from otelprov.instrumentation._objects import generate_at
from otelprov.model import Artifact
from otelprov.recording import copies, places, stores
from otelprov.recording.streams import resolve, without_options


class Copied(Observed):
    """A file, or a directory with all that is in it."""

    __slots__ = ()

    def returned(self, result: object) -> None:
        """It is copied."""
        operation = self.operation
        operation.leave()
        try:
            source, target = self._end("source"), self._end("destination")
            if isinstance(source, str):
                found = list(copies.taken_from(operation, "source", source, moved=False))
            else:
                found = places.read_from(operation, "source", source)
            if isinstance(target, str):
                copies.put_at(operation, "destination", target, found, moved=False)
                return
            for artifact in stores.wrote(target, operation.begun):
                operation.generate("destination", artifact)
            base = name_and_uri(source)[1] if isinstance(source, str) else source.uri or ""
            for one in found:
                if one.kind == "file" and one.coverage == "full" and one.uri:
                    below = unquote(one.uri.removeprefix(base))
                    uri = f"{target.uri}{below}"
                    generate_at(operation, "destination", uri, one)
                    if below:
                        operation.generate("destination", identify_location(uri))
        finally:
            self.close()

    def failed(self, error: BaseException) -> None:
        """It raised: what was copied until then is not known."""
        self.operation.leave()
        self.close(error)

    def _end(self, name: str) -> str | Artifact:
        system = self.parameters.get(f"{name}_filesystem")
        return resolve(without_options(self.parameters[name]), system)
