"""otelprov: data provenance as OpenTelemetry traces.

A pipeline that is started with ``opentelemetry-instrument`` needs none of this. These names are for
what cannot be seen from outside::

    @otelprov.operation
    def score(orders): ...

    with otelprov.operation("publish") as op:
        op.used(table)
        upload(table)
        op.generated("s3://bucket/table.parquet")

Without an SDK that records they cost next to nothing and change nothing.
"""

from otelprov.api import artifact, enable, generated, operation, register_identity, used
from otelprov.version import __version__

__all__ = [
    "__version__", "artifact", "enable", "generated", "operation", "register_identity", "used",
]  # fmt: skip
