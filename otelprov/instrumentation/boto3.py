"""boto3: uploads, downloads and copies, which s3transfer carries out in threads of its own.

The operation is the program's own call; the requests below it tell which version was read or
written (botocore.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final

from otelprov.artifacts import identify, identify_location
from otelprov.instrumentation._calls import Observed
from otelprov.instrumentation._objects import (
    generate_at,
    object_uri,
    put_content,
    read_file,
    stored,
)
from otelprov.instrumentation._table import Entry, read, write
from otelprov.instrumentation.botocore import source_of, uploads
from otelprov.model import Artifact
from otelprov.recording import places, stores
from otelprov.recording.bounds import WHOLE
from otelprov.recording.run import run
from otelprov.recording.streams import local_path

ODDITIES: Final = (
    "An upload from a stream that can be read only once is known by the version that it became.",
    "With OTELPROV_OBJECT_METADATA=on, objects that the program uploads or puts carry their id and "
    "trace; what the program sees of metadata is without it.",
)


class _Carried(Observed):
    """A call that carries an object to a bucket or from it."""

    __slots__ = ()

    @property
    def bucket(self) -> str:
        """Of the client's call, or of the resource's."""
        owner: Any = self.parameters["self"]
        if "Bucket" in self.parameters:
            return str(self.parameters["Bucket"])
        return str(owner.bucket_name if hasattr(owner, "bucket_name") else owner.name)

    @property
    def uri(self) -> str:
        """Of the object that is read or written here."""
        owner: Any = self.parameters["self"]
        key = self.parameters.get("Key") or getattr(owner, "key", None)
        return object_uri({"Bucket": self.bucket, "Key": key})

    @property
    def version(self) -> Artifact:
        """The object by its name, until more is known."""
        return identify_location(self.uri)

    def failed(self, error: BaseException) -> None:
        """It used what it used, and made nothing."""
        self.operation.leave()
        self.close(error)


class _Uploaded(_Carried):
    __slots__ = ("content",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        operation, body = self.operation, self.parameters.get("Fileobj")
        self.content: Artifact | None = None
        if body is not None:
            self.content = put_content(operation, "Fileobj", body)
        elif run.settings.object_metadata:
            self.content = read_file(operation, "Filename", self.parameters["Filename"])
        else:
            places.look_ahead(operation, self.parameters["Filename"], WHOLE)
        if self.content is not None and run.settings.object_metadata:
            uploads[self._key] = places.carried(operation, self.content.id)

    @property
    def _key(self) -> tuple[int, str, str]:
        owner: Any = self.parameters["self"]
        client = getattr(getattr(owner, "meta", None), "client", owner)  # of a resource
        return id(client), self.bucket, self.uri.removeprefix(f"s3://{self.bucket}/")

    def returned(self, result: object) -> None:
        operation = self.operation
        operation.leave()
        if self.content is None and "Filename" in self.parameters:
            self.content = read_file(operation, "Filename", self.parameters["Filename"])
        generate_at(operation, "Key", self.uri, self.content)
        stored(operation, "Key", stores.wrote(self.version, operation.begun))
        self.close()

    def close(self, error: BaseException | None = None) -> None:
        uploads.pop(self._key, None)
        super().close(error)


class _Downloaded(_Carried):
    __slots__ = ("start",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        target: Any = self.parameters.get("Fileobj")
        self.start = target.tell() if type(target) is io.BytesIO else 0

    def returned(self, result: object) -> None:
        operation = self.operation
        operation.leave()
        for artifact in stores.read(self.version, operation.begun):
            operation.use_content("Key", artifact)
            said = stores.carried(self.uri, operation.begun)
            if said is not None:
                operation.claims = (*operation.claims, stores.Claimed(artifact, (said,)))
        target = self.parameters.get("Fileobj")
        if target is None:
            places.written_to(operation, "Filename", self.parameters["Filename"])
        elif type(target) is io.BytesIO:
            operation.generate("Fileobj", identify(target.getvalue()[self.start :]))
        elif local_path(target) is not None:
            places.written_to(operation, "Fileobj", target)
        self.close()


class _Copied(_Carried):
    __slots__ = ()

    def returned(self, result: object) -> None:
        operation = self.operation
        operation.leave()
        source, _ = source_of(self.parameters)
        read = stores.read(identify_location(source), operation.begun)
        for artifact in read:
            operation.use_content("CopySource", artifact)
        stored(operation, "Key", stores.wrote(self.version, operation.begun))
        self.close()


_SHOWN: Final = ("Bucket", "Key", "Filename", "CopySource")


def _inject() -> Iterable[Entry]:
    for owner in ("", "bucket_", "object_"):
        for name, kind, observed in (
            ("upload_file", write, _Uploaded),
            ("upload_fileobj", write, _Uploaded),
            ("download_file", read, _Downloaded),
            ("download_fileobj", read, _Downloaded),
            ("copy", write, _Copied),
        ):
            yield kind(f"{owner}{name}", name=name, shows=_SHOWN, observed=observed, client=True)


TABLES = {"boto3.s3.inject": _inject}
