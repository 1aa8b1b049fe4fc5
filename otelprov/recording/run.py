"""The run: one process, from its start to its exit, as the root of what it recorded."""

from __future__ import annotations

import atexit
import os
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from uuid import uuid4

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otelprov import semconv, settings
from otelprov.artifacts.deferred import background
from otelprov.journal.attachment import attach
from otelprov.journal.processor import JournalProcessor
from otelprov.journal.writer import JournalWriter, journal_writer
from otelprov.recording import faults
from otelprov.recording.code import CodeVersion, ci_attributes, code_version
from otelprov.recording.policy import redact, redact_command, shorten
from otelprov.settings import Settings
from otelprov.version import __version__

# Programs that serve or work until they are told to stop: a root span over their whole life would
# make one trace of everything they ever do.
_SERVERS = frozenset(
    (
        "airflow celery daphne dagster dagster-daemon dask dask-scheduler dask-worker "
        "dramatiq flower gunicorn huey hypercorn ipykernel ipykernel_launcher jupyter "
        "jupyter-lab jupyter-notebook jupyter-server luigid notebook prefect ray rq streamlit "
        "supervisord uvicorn uwsgi waitress waitress-serve"
    ).split()
)
# Helper processes of the standard library's multiprocessing: no user code runs in them.
_HELPERS = ("from multiprocessing.resource_tracker", "from multiprocessing.semaphore_tracker")


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in this process, as known when it starts."""

    name: str
    directory: str
    """Where its code is: the script's directory, else the working directory."""
    has_root: bool
    """Whether its run is one trace."""


class Run:
    """The recording state of this process."""

    def __init__(self) -> None:
        self.settings: Settings = settings.load({})
        self.program = Program("python", os.getcwd(), has_root=False)
        self.active = False
        """Whether anything is recorded; a look at it is all that an idle wrapper pays."""
        self._span: Span | None = None
        self._context: Context | None = None
        self._name: str | None = None
        self._process = 0
        self._processor: JournalProcessor | None = None
        self._code: CodeVersion | None = None

    def __reduce__(self) -> str:
        # By name: cloudpickle takes some functions of pandas by value, and what stands in for
        # them names this object.
        return "run"

    @property
    def id(self) -> str:
        """``<trace id>-<span id>`` of the run span, or a name of the process where it has none."""
        if self._span is None:
            if self._name is None or self._process != os.getpid():
                self._name, self._process = f"process-{uuid4().hex}", os.getpid()
            return self._name
        context = self._span.get_span_context()
        return f"{context.trace_id:032x}-{context.span_id:016x}"

    @property
    def code(self) -> CodeVersion:
        """The version of the program's code; looked up once, when the first operation needs it."""
        if self._code is None:
            self._code = code_version(self.program.directory, self.settings)
        return self._code

    @property
    def journal(self) -> JournalWriter | None:
        """The writer of this process's journal."""
        return self._processor.writer if self._processor is not None else None

    def start(self, *, root: bool | None = None) -> None:
        """Begin to record. Harmless when it is called again.

        ``root`` says whether this process's run is one trace; when None that depends on what the
        program is (a server or a notebook has no such root).
        """
        if self.active:
            if root is not False and self._span is None and self.program.has_root:
                self._open()
            return
        self.settings = settings.load()
        settings.report(self.settings)
        faults.raise_faults = self.settings.raise_faults
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return
        self.program = current_program()
        provider = _provider()
        writer = None if self._processor is not None else journal_writer(self.settings)
        if provider is not None and writer is not None:
            self._processor = JournalProcessor(writer)
            attach(self._processor, provider)
        background.limit = self.settings.digest_queue or 0
        if not self.active:
            atexit.register(self._settle)
        self.active = True
        if self.program.has_root if root is None else root:
            self._open()

    def stop(self) -> None:
        """End the run span and stop recording."""
        self._close()
        background.limit = 0
        self.active = False
        self._span = self._context = self._code = None
        tracer.cache_clear()

    def parent(self) -> Context | None:
        """The context for a new span: the current one, else the run's.

        A thread starts with an empty context; what it does belongs to the run all the same.
        """
        if self._context is not None and not _has_span(context_api.get_current()):
            return self._context
        return None

    def _open(self) -> None:
        carrier = {
            key.lower(): os.environ[key]
            for key in ("TRACEPARENT", "TRACESTATE")
            if key in os.environ
        }
        parent = TraceContextTextMapPropagator().extract(carrier, context=Context())
        attributes: dict[str, str | int | list[str]] = {
            semconv.OPERATION_KIND: "run",
            semconv.PROCESS_PID: os.getpid(),
            semconv.PROCESS_ARGS: redact_command(list(sys.orig_argv)),
            semconv.PROCESS_DIRECTORY: os.getcwd(),
            semconv.PYTHON_VERSION: sys.version.split()[0],
            **ci_attributes(os.environ),
        }
        self._span = tracer("run").start_span(
            f"run {self.program.name}",
            context=parent,
            kind=SpanKind.INTERNAL,
            attributes=attributes,
            start_time=now(),
        )
        if not self._span.is_recording():
            return
        self._span.set_attribute(semconv.RUN_ID, self.id)
        self._context = trace.set_span_in_context(self._span)
        context_api.attach(self._context)
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, context=self._context)
        os.environ.update({key.upper(): value for key, value in headers.items()})
        self._process = os.getpid()
        atexit.register(self._close)

    def _settle(self) -> None:
        """Wait for what is still being digested, and for the spans that wait for it."""
        with faults.contained("what was still being digested was not recorded"):
            background.flush()

    def _close(self) -> None:
        self._settle()
        # A forked child inherits the span but not the right to end it.
        if self._span is None or self._process != os.getpid():
            return
        span, self._process = self._span, 0
        with faults.contained("the end of the run was not recorded"):
            span.set_attributes({**self.code.attributes()})
            if self.code.source:
                span.set_attribute(semconv.CODE_SOURCE, self.code.source)
            # Set by the interpreter before it prints a traceback; reading it instead of putting
            # a hook in place leaves sys.excepthook to the program.
            error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
            if isinstance(error, BaseException) and not hasattr(sys, "ps1"):
                span.set_attribute(semconv.ERROR_TYPE, type(error).__qualname__)
                text = shorten(redact(f"{type(error).__name__}: {error}"), 512)
                span.set_status(Status(StatusCode.ERROR, text))
            span.end(end_time=now())


run = Run()


@lru_cache(maxsize=64)
def tracer(library: str) -> Tracer:
    """The tracer for the operations of one library."""
    return trace.get_tracer(f"otelprov.{library}", __version__)


def now() -> int:
    """Nanoseconds since the epoch, whole microseconds: Jaeger keeps no more (1.76)."""
    return time.time_ns() // 1000 * 1000


def current_program() -> Program:
    """What this process is about to run, from its command line."""
    arguments = list(sys.orig_argv[1:])
    script = sys.argv[0] if sys.argv else ""
    working = os.getcwd()
    if script == "-c":
        code = arguments[arguments.index("-c") + 1] if "-c" in arguments[:-1] else ""
        if code.startswith(_HELPERS):
            return Program("multiprocessing helper", working, has_root=False)
        if "--multiprocessing-fork" in arguments:
            return Program("multiprocessing worker", working, has_root=True)
        return Program("-c", working, has_root=True)
    if script == "-m":
        module = arguments[arguments.index("-m") + 1] if "-m" in arguments[:-1] else ""
        served = module.partition(".")[0] in _SERVERS
        return Program(f"-m {module}", working, has_root=not served)
    if not script:  # a REPL: its life is not one piece of work
        return Program("python", working, has_root=False)
    name = os.path.basename(script)
    directory = os.path.dirname(os.path.abspath(script))
    # gunicorn is a server's command; a script that somebody calls celery.py is not.
    served = name in _SERVERS or name == "ipykernel_launcher.py"
    # A command installed as an entry point lies in bin/, which says nothing about the code.
    if os.path.basename(directory) in ("bin", "Scripts") and not name.endswith(".py"):
        directory = working
    return Program(name, directory, has_root=not served)


def _has_span(context: Context) -> bool:
    return trace.get_current_span(context).get_span_context().is_valid


def _provider() -> TracerProvider | None:
    """The SDK's provider: the one that is configured, else a new one with nothing but ourselves.

    Without a distribution of OpenTelemetry installed nobody sets a provider up. None for a
    provider that is not the SDK's (a vendor's own): it has no span processors, so there is no
    journal, and the spans go its way only.
    """
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        return provider
    if isinstance(provider, trace.ProxyTracerProvider):
        created = TracerProvider(resource=Resource.create())
        _add_exporters(created)
        trace.set_tracer_provider(created)
        return created
    return None


def _add_exporters(provider: TracerProvider) -> None:
    """The exporters that OTEL_TRACES_EXPORTER names; none when it is not set."""
    from importlib.metadata import entry_points

    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    names = [name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")]
    for name in names:
        if name in ("", "none"):
            continue
        if name == "otlp":
            protocol = os.environ.get(
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            )
            name = "otlp_proto_http" if protocol.startswith("http") else "otlp_proto_grpc"
        found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
        if not found:
            print(
                f"otelprov: OTEL_TRACES_EXPORTER names {name!r}, which is not installed; "
                "spans are not sent there",
                file=sys.stderr,
            )
            continue
        provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
