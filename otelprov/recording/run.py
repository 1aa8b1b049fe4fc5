"""The run: one process, from its start to its exit, as the root of what it recorded."""

from __future__ import annotations

import atexit
import os
import re
import sys
import time
from collections.abc import Mapping
from functools import lru_cache, partial
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import uuid4

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otelprov import semconv, settings
from otelprov.artifacts.deferred import background
from otelprov.journal.attachment import attach
from otelprov.journal.lines import Part
from otelprov.journal.processor import JournalProcessor
from otelprov.journal.writer import JournalWriter, journal_writer
from otelprov.recording import exceptions, faults
from otelprov.recording import span as span_room
from otelprov.recording.code import CodeVersion, ci_attributes, code_version
from otelprov.recording.continued import traces
from otelprov.recording.exceptions import message_of
from otelprov.recording.ids import with_own_ids
from otelprov.recording.measures import Ended, measures
from otelprov.recording.policy import shorten
from otelprov.recording.repeats import repeats
from otelprov.recording.span import ForeignSpan, OperationSpan, SpanSource
from otelprov.redaction import clean_message, redact, redact_command, redact_path
from otelprov.settings import Settings
from otelprov.version import __version__

if TYPE_CHECKING:
    from otelprov.recording.rulings import Policy

FORK_WAIT: Final = 10.0
"""Seconds that a fork waits at most for what is being digested."""

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
# Programs that only start others, or read what was recorded: nothing of the user's runs in them.
_LAUNCHERS = frozenset(("opentelemetry-instrument", "otelprov"))
# Helper processes of multiprocessing and of loky: no user code runs in them.
_HELPERS = (
    "from multiprocessing.resource_tracker",
    "from multiprocessing.semaphore_tracker",
    "from joblib.externals.loky.backend.resource_tracker",
    "from loky.backend.resource_tracker",
)
_RUN_ID = r"[0-9a-f]{32}-[0-9a-f]{16}|process-[0-9a-f]{32}"

Role = Literal["program", "server", "worker", "helper"]
"""Of a process. A ``program`` is one run, and one trace. A ``server`` works until it is told to
stop: no root span. A ``worker`` carries out a part of the run that started it. A ``helper`` has
no work of the user's."""


class Program(NamedTuple):
    """What runs in this process, as known when it starts."""

    name: str
    directory: str
    """Where its code is: the script's directory, else the working directory."""
    role: Role

    @property
    def has_root(self) -> bool:
        """Whether its run is one trace."""
        return self.role == "program"


class Run:
    """The recording state of this process."""

    def __init__(self) -> None:
        self.settings: Settings = settings.load({})
        self.policy: Policy | None = None
        """The rules, where there are any."""
        self.excluded = 0
        """Calls that rules exclude."""
        self.program = Program("python", os.getcwd(), "helper")
        self.carried_out = count()
        """Operations that have ended."""
        self.active = False
        """Whether anything is recorded; a look at it is all that an idle wrapper pays."""
        self.forks = 0
        """How often this process, or those that it was forked from, were: what was begun with
        another number belongs to the parent."""
        self.worker: int | None = None
        """The process id, where this process works for the run of another."""
        self._span: OperationSpan | ForeignSpan | None = None
        self._context: Context | None = None
        self._above: tuple[Context, tuple[Context, SpanContext]] | None = None
        """What ``above`` has found last, and for which context."""
        self._id: str | None = None
        self._parents: str | None = None
        self._process = 0
        self._started = 0
        self._processor: JournalProcessor | None = None
        self._code: CodeVersion | None = None
        self._facts: tuple[tuple[object, ...], Part] | None = None
        self._ends_windows = 0

    def __reduce__(self) -> str:
        # By name: cloudpickle takes some functions of pandas by value, and what stands in for
        # them names this object.
        return "run"

    @property
    def id(self) -> str:
        """``<trace id>-<span id>`` of the run span, or a name of the process where it has none.

        A worker has the id of the run that it works for.
        """
        if self._id is None:
            self._id = self._name_process()
        return self._id

    @property
    def code(self) -> CodeVersion:
        """The version of the program's code; looked up once, when the first operation needs it."""
        if self._code is None:
            self._code = code_version(self.program.directory, self.settings)
        return self._code

    @property
    def facts(self) -> Part:
        """What every operation of this run says: tier, code version, run id."""
        if self._facts is None or self._facts[0] != (self._id, self.worker, self.settings):
            attributes: dict[str, str | bool | int] = {
                semconv.TIER: self.settings.tier,
                **self.code.attributes(),
                semconv.RUN_ID: self.id,
            }
            if self.worker is not None:
                attributes[semconv.PROCESS_PID] = self.worker
            self._facts = ((self._id, self.worker, self.settings), Part(attributes))
        return self._facts[1]

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
            if root is not False:
                self._begin(self.program.has_root)
            return
        self.carried_out = count()
        self.settings = settings.load()
        settings.report(self.settings)
        exceptions.in_force = self.settings.exceptions
        self.policy = None
        if self.settings.policy is not None:
            if self.settings.rules:
                from otelprov.recording.rulings import Policy  # not at start: most have no rules

                self.policy = Policy(self.settings.rules, self.settings.hash_key)
            # What this program starts is under its policy, wherever that has its own code.
            os.environ.setdefault(settings.POLICY, str(self.settings.policy))
        if self.settings.events:
            from otelprov.recording import events

            span_room.told = events.tell
        faults.raise_faults = self.settings.raise_faults
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return
        self.program = current_program()
        provider = _provider()
        writer = None if self._processor is not None else journal_writer(self.settings)
        if provider is not None and writer is not None:
            self._processor = JournalProcessor(writer, faults.is_of_the_program, clean_message)
            attach(self._processor, provider)
        background.limit = self.settings.digest_queue or 0
        repeats.limit, traces.limit = self.settings.repeats, self.settings.trace_limit
        background.failed = partial(faults.tell, "what was to be digested was not")
        if not self.active:
            atexit.register(self.settle)
        self.active = True
        if root is not False:
            self._begin(self.program.has_root if root is None else root)

    def stop(self) -> None:
        """End the run span and stop recording."""
        self._close()
        repeats.start_over()
        background.limit = 0
        self.active = False
        self.policy, self.excluded = None, 0
        self._span = self._context = self._above = self._code = self._id = self._facts = None
        spans_of.cache_clear()
        span_room.told = None

    def note(
        self, span: Span, event_name: str, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Put a log record about a span that has not ended into the journal, at once."""
        if self._processor is not None and isinstance(span, ReadableSpan):
            self._processor.note(span, event_name, attributes)

    def parent(self) -> Context | None:
        """The context for a new span: the current one, else the run's.

        A thread starts with an empty context; what it does belongs to the run all the same.
        """
        if self._context is not None and not _has_span(context_api.get_current()):
            return self._context
        return None

    def outside(self, current: Context | None = None) -> Context | None:
        """The current context, or another, without the run's span; None where that is not the
        current one of it."""
        current = context_api.get_current() if current is None else current
        span = trace.get_current_span(current)
        if self._context is None or span is not trace.get_current_span(self._context):
            return None
        return trace.set_span_in_context(trace.INVALID_SPAN, current)

    def above(self) -> tuple[Context, SpanContext]:
        """As ``parent``: the context for a new span, and the span that it will be below.

        In one step: each look at the current context takes half a microsecond.
        """
        context, before = context_api.get_current(), self._above
        if before is not None and before[0] is context:  # of a loop it is the same each time
            return before[1]
        current = context
        span = trace.get_current_span(context).get_span_context()
        if not span.is_valid and self._context is not None:
            context = self._context
            span = trace.get_current_span(context).get_span_context()
        found = context, span
        self._above = current, found
        return found

    def go_on(self, of: SpanContext) -> SpanContext:
        """Begin a trace that goes on where another is full, below the span ``of``."""
        span = spans_of("run").start(
            f"run {redact(self.program.name)}, continued", SpanKind.INTERNAL, Context(), now()
        )
        whole = f"{of.trace_id:032x}-{of.span_id:016x}"
        span.describe(Part({semconv.RUN_ID: self.id, semconv.TRACE_CONTINUES: whole}))
        span.point(of, {})
        span.finish(now())
        return span.visible.get_span_context()

    def ends_windows(self) -> None:
        """A window of calls is open: have it ended where nothing that is to run at exit does.

        Children of multiprocessing end by ``os._exit``, after what they have been told to finalize.
        """
        finalizing = sys.modules.get("multiprocessing.util")
        if self.worker is None or finalizing is None or self._ends_windows == os.getpid():
            return
        self._ends_windows = os.getpid()
        finalizing.Finalize(None, self.settle, exitpriority=0)

    def _begin(self, root: bool) -> None:
        """Find the run that this process's operations belong to."""
        if self._id is not None:
            return
        if self.program.role == "worker" and self._join():
            return
        if root or self.program.role == "worker":
            self._open()
        if self._id is None and self.program.role != "helper":
            self._id = self._name_process()

    def _join(self) -> bool:
        """Be a part of the run that started this worker; False when it was not recorded."""
        run_id = os.environ.get(settings.RUN, "").partition(" ")[0]
        if not re.fullmatch(_RUN_ID, run_id):
            return False
        self._id, self.worker = run_id, os.getpid()
        if not run_id.startswith(semconv.PROCESS_RUN):
            self._context, self._above = _handed_on(), None
            context_api.attach(self._context)
        return True

    def _name_process(self) -> str:
        """A name for a process without a run span; its workers are told."""
        multiprocessing = sys.modules.get("multiprocessing.process")
        name = self._parents
        if name is None or multiprocessing is None or multiprocessing.parent_process() is None:
            # A forked worker of a server is a process like any other; one of multiprocessing's
            # (in a notebook, say) does a part of what its parent does.
            name, self.worker = f"{semconv.PROCESS_RUN}{uuid4().hex}", None
        os.environ[settings.RUN] = f"{name} {_process()}"
        return name

    def _open(self) -> None:
        # What git says now is what is loaded from now on; and no handler of the program's for
        # SIGCHLD is there yet to find a child that it does not know.
        started, code = now(), self.code
        self._started = started
        parent = _handed_on()
        attributes: dict[str, str | int | list[str]] = {
            semconv.OPERATION_KIND: "run",
            semconv.PROCESS_PID: os.getpid(),
            semconv.PROCESS_ARGS: self._shown(redact_command(sys.orig_argv)),
            semconv.PROCESS_DIRECTORY: redact_path(os.getcwd()),
            semconv.PYTHON_VERSION: sys.version.split()[0],
            **ci_attributes(os.environ),
            **code.attributes(),
        }
        if code.source:
            attributes[semconv.CODE_SOURCE] = code.source
        before, _, process = os.environ.get(settings.RUN, "").partition(" ")
        if process == _process() and re.fullmatch(_RUN_ID, before):
            attributes[semconv.RUN_REPLACED] = before
        name = f"run {redact(self.program.name)}"
        self._span = spans_of("run").start(name, SpanKind.INTERNAL, parent, started)
        if not self._span.wanted:
            return
        context = self._span.visible.get_span_context()
        self._id = f"{context.trace_id:032x}-{context.span_id:016x}"
        self._span.describe(Part({**attributes, semconv.RUN_ID: self._id}))
        self._context, self._above = trace.set_span_in_context(self._span.visible), None
        context_api.attach(self._context)
        self.note(self._span.visible, semconv.STARTED)
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, context=self._context)
        os.environ.update({key.upper(): value for key, value in headers.items()})
        os.environ[settings.RUN] = f"{self._id} {_process()}"
        self._process = os.getpid()
        atexit.register(self._close)

    def settle(self) -> None:
        """Wait for what is still being digested, and for the spans that wait for it."""
        with faults.contained("what was still being digested was not recorded"):
            background.flush()
        with faults.contained("the last of the calls that repeat were not recorded"):
            repeats.close()

    def _close(self) -> None:
        self.settle()
        # A forked child inherits the span but not the right to end it.
        if self._span is None or self._process != os.getpid():
            return
        span, self._process = self._span, 0
        with faults.contained("the end of the run was not recorded"):
            # Set by the interpreter before it prints a traceback; reading it instead of putting
            # a hook in place leaves sys.excepthook to the program.
            error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
            failed: str | None = None
            if isinstance(error, BaseException) and not hasattr(sys, "ps1"):
                failed = type(error).__qualname__
                span.describe(Part({semconv.ERROR_TYPE: failed}))
                message = message_of(error, self.settings.exceptions)
                if self.policy is not None:
                    message = self.policy.text(message)
                name = type(error).__name__
                span.fail(shorten(f"{name}: {message}" if message else name, 512))
            if self.excluded:
                span.describe(Part({semconv.DROPPED_OPERATIONS: self.excluded}))
            if faults.named:
                span.describe(Part({semconv.RUN_FAULTS: [*faults.named]}))
            # A run that goes on in other traces is counted trace by trace in backends: not said.
            if not traces.continued:
                number = next(self.carried_out) + repeats.spans
                span.describe(Part({semconv.RUN_OPERATIONS: number}))
            end = now()
            span.finish(end)
            listener = measures.listener()
            if listener is not None:
                name = f"run {redact(self.program.name)}"
                listener(Ended(name, "run", self._started, end, span.visible, failed))

    def _shown(self, arguments: list[str]) -> list[str]:
        """A command line as it may be."""
        if self.policy is not None:
            arguments = list(map(self.policy.text, arguments))
        return [shorten(argument, 512) for argument in arguments]

    def excludes(self, operation: str) -> bool:
        """Whether a rule excludes the operations of this name; those are counted."""
        if self.policy is None:
            return False
        ruling = self.policy.of(operation)
        if ruling is None or not ruling.exclude:
            return False
        self.excluded += 1
        return True

    def _before_fork(self) -> None:
        # A thread that this one waits for may itself wait for a lock that this one holds: not for
        # ever.
        with faults.contained("what was still being digested was not recorded"):
            background.rest(FORK_WAIT)

    def _forked(self) -> None:
        """In a forked child: what it does belongs to the run, whose end is the parent's to tell."""
        self.forks += 1
        repeats.forget()
        traces.forget()
        if not self.active:
            return
        self.worker = os.getpid()
        if self._context is None:
            self._parents, self._id = self._id, None


run = Run()
if hasattr(os, "register_at_fork"):
    # What is registered last is called first before a fork: the threads have to come to an end
    # before the journal's lock is taken, which they need.
    os.register_at_fork(before=run._before_fork, after_in_child=run._forked)


@lru_cache(maxsize=64)
def spans_of(library: str) -> SpanSource:
    """Where the spans for the operations of one library come from."""
    tracer = with_own_ids(trace.get_tracer(f"otelprov.{library}", __version__))
    return SpanSource(tracer, run._processor)


def now() -> int:
    """Nanoseconds since the epoch, whole microseconds: Jaeger keeps no more (1.76)."""
    return time.time_ns() // 1000 * 1000


def current_program() -> Program:
    """What this process is about to run, from its command line."""
    arguments = list(sys.orig_argv[1:])
    script = sys.argv[0] if sys.argv else ""
    working = os.getcwd()
    code = arguments[arguments.index("-c") + 1] if "-c" in arguments[:-1] else ""
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments[:-1] else ""
    # Not by sys.argv, which a spawned worker takes over from its parent before it runs anything.
    if (
        "--multiprocessing-fork" in arguments
        or code.startswith("from multiprocessing.forkserver ")
        or "loky.backend.popen_loky" in module
    ):
        return Program("worker", working, "worker")
    if script == "-c":
        return Program("-c", working, "helper" if code.startswith(_HELPERS) else "program")
    if script == "-m":
        served = module.partition(".")[0] in _SERVERS
        return Program(f"-m {module}", working, "server" if served else "program")
    if not script:  # a REPL: its life is not one piece of work
        return Program("python", working, "server")
    name = os.path.basename(script)
    directory = os.path.dirname(os.path.abspath(script))
    # A command installed as an entry point lies in bin/, which says nothing about the code.
    if os.path.basename(directory) in ("bin", "Scripts") and not name.endswith(".py"):
        directory = working
    if name in _LAUNCHERS:
        return Program(name, directory, "helper")
    # gunicorn is a server's command; a script that somebody calls celery.py is not.
    served = name in _SERVERS or name == "ipykernel_launcher.py"
    return Program(name, directory, "server" if served else "program")


def _handed_on() -> Context:
    """The span that the environment names as the parent; an empty context without one."""
    carrier = {
        key.lower(): os.environ[key] for key in ("TRACEPARENT", "TRACESTATE") if key in os.environ
    }
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _process() -> str:
    """This process in a way that no other has: its id, and when the kernel started it.

    A program that replaces another (``os.exec``) has both from it.
    """
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            # proc(5): the 22nd field, and the second is the name, which may have anything in it.
            return f"{os.getpid()}.{file.read().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return str(os.getpid())


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
