"""The names that otelprov writes: attributes, events and spans, each with type, unit and meaning.

This module is the single source of the names; ``docs/conventions.md`` says the same for readers,
and a test keeps the two equal. Names of the OpenTelemetry semantic conventions are used where they
exist and are written down here instead of imported, because the SDK pins the version of the
``opentelemetry-semantic-conventions`` wheel and many of these are still under development there.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

AttributeType = Literal["string", "boolean", "int", "double", "string[]", "map[]", "any"]
"""``any`` is used for templates only: the type is that of the value that was passed."""

Place = Literal["span", "event", "link", "run", "resource", "log", "line"]
"""Where a name appears. ``run`` is the span of a whole run and nothing else. ``log`` is a log
record about a span; it has the attributes of that span as well. ``line`` is a line that the program
itself logs."""


class Attribute(NamedTuple):
    """One attribute of the convention."""

    name: str
    type: AttributeType
    places: tuple[Place, ...]
    brief: str
    unit: str = ""
    """UCUM unit, empty when the value has none."""


class Event(NamedTuple):
    """One span event of the convention, or one log record with an event name."""

    name: str
    brief: str


ATTRIBUTES: Final[dict[str, Attribute]] = {}
EVENTS: Final[dict[str, Event]] = {}
LOGS: Final[dict[str, Event]] = {}
"""Log records, by their event name."""


def _attribute(
    name: str, type_: AttributeType, places: tuple[Place, ...], brief: str, unit: str = ""
) -> str:
    ATTRIBUTES[name] = Attribute(name, type_, places, brief, unit)
    return name


def _event(name: str, brief: str) -> str:
    EVENTS[name] = Event(name, brief)
    return name


def _log(name: str, brief: str) -> str:
    LOGS[name] = Event(name, brief)
    return name


# --- events: the edges of the lineage ------------------------------------------------------------

USED: Final = _event("otelprov.used", "The operation read this artifact.")
GENERATED: Final = _event("otelprov.generated", "The operation made this artifact.")

# Two different keys, because a backend searches one scalar value exactly: a search for
# otelprov.generated.id finds who made an artifact, one for otelprov.used.id finds who read it.
USED_ID: Final = _attribute(
    "otelprov.used.id",
    "string",
    ("event", "link"),
    "Id of the artifact that was used. On a link: the artifact that the linked span made.",
)
GENERATED_ID: Final = _attribute(
    "otelprov.generated.id", "string", ("event",), "Id of the artifact that was generated."
)

ARTIFACT_ROLE: Final = _attribute(
    "otelprov.artifact.role",
    "string",
    ("event",),
    "The part it played: the parameter it was passed as; `return`, `content` (the table in a "
    "written file) or `target` (a part of an open file) for what was made; `inside` and "
    "`read inside` for what was read while the operation ran.",
)
ARTIFACT_KIND: Final = _attribute(
    "otelprov.artifact.kind",
    "string",
    ("event",),
    "What it is: `table`, `file`, `directory`, `array`, `model`, `object`, `stream`, `resource`.",
)
ARTIFACT_NAME: Final = _attribute(
    "otelprov.artifact.name", "string", ("event",), "A short name for people; never an identity."
)
ARTIFACT_URI: Final = _attribute(
    "otelprov.artifact.uri",
    "string",
    ("event",),
    "Where it was read from or written to, without credentials.",
)
ARTIFACT_ROWS: Final = _attribute(
    "otelprov.artifact.rows", "int", ("event",), "Number of rows.", "{row}"
)
ARTIFACT_COLUMNS: Final = _attribute(
    "otelprov.artifact.columns", "int", ("event",), "Number of columns.", "{column}"
)
ARTIFACT_BYTES: Final = _attribute(
    "otelprov.artifact.bytes", "int", ("event",), "Size of the content.", "By"
)
ARTIFACT_COVERAGE: Final = _attribute(
    "otelprov.artifact.coverage",
    "string",
    ("event",),
    "What the id rests on: `full` (all of the content), `state` (the attributes of an object whose "
    "class nobody described), `footer` (the footers, sizes and times of Parquet or Arrow files), "
    "`version` (what a store says of the version), `status` (size and time of modification), "
    "`none` (a name only), or `derivation` (how it was made, not what it holds).",
)
ARTIFACT_CONTENT_ID: Final = _attribute(
    "otelprov.artifact.content_id",
    "string",
    ("event",),
    "Id of the table that a file was written from, or of the content of an artifact whose own id "
    "is a derivation id, where it was computed.",
)
ARTIFACT_SCHEMA: Final = _attribute(
    "otelprov.artifact.schema",
    "string",
    ("event",),
    "Id of the schema of a table (`schema:<hex>`): the names and types of its columns, in order. "
    "On a file: that of the table that it was written from.",
)
ARTIFACT_VERSION: Final = _attribute(
    "otelprov.artifact.version",
    "string",
    ("event",),
    "The version of a table that has versions of its own, in the words of its format: the number "
    "of a Delta Lake version, the id of an Iceberg snapshot.",
)
ARTIFACT_REASON: Final = _attribute(
    "otelprov.artifact.reason",
    "string",
    ("event",),
    "Why the content was not digested in full.",
)

ARTIFACT_ORIGIN: Final = _attribute(
    "otelprov.artifact.origin",
    "string",
    ("event",),
    "`unknown` for an object that was not seen to be made: that an operation elsewhere made equal "
    "content says nothing about where this came from.",
)

ARTIFACT_MAKER: Final = _attribute(
    "otelprov.artifact.maker",
    "string",
    ("event",),
    "On what was used: `<trace id>-<span id>` of the operation that was seen to make this very "
    "object, in the same process.",
)

ARTIFACT_CARRIER: Final = _attribute(
    "otelprov.artifact.carrier",
    "string",
    ("event",),
    "On a file that was used and names by itself the artifact that it holds: `verified`, that is "
    "its content; `stale`, it is not; `unverified`, not all of the content was looked at.",
)

ARTIFACT_UNCHANGED: Final = _attribute(
    "otelprov.artifact.unchanged",
    "string",
    ("event",),
    "On a generated table: the columns that hold exactly what a column of a used table holds, as "
    "JSON: by id of the used artifact, name there by name here. Two names may differ only where "
    "the name there is gone and no other column holds the same.",
)

ARTIFACT_SELECTED: Final = _attribute(
    "otelprov.artifact.selected",
    "string",
    ("event",),
    "On what was used: the columns that the operation took of it, as a JSON list, where the engine "
    "says so; it ends in `null` where there are more than it can name.",
)

ARTIFACT_COLUMN_NAMES: Final = _attribute(
    "otelprov.artifact.column_names",
    "string",
    ("event",),
    "Of a table in memory that was generated, or used and not seen to be made: the names of its "
    "columns, as a JSON list; it ends in `null` where there are more than it can name.",
)

ARTIFACT_INDEX_NAMES: Final = _attribute(
    "otelprov.artifact.index_names",
    "string",
    ("event",),
    "The same of the levels of its index, where one has a name; `null` is one that has none.",
)

ARTIFACT_COLUMN_SOURCES: Final = _attribute(
    "otelprov.artifact.column_sources",
    "string[]",
    ("event",),
    "On a generated table: where its columns come from, as the engine's own plan or the call says "
    'it. A JSON object for each column: docs/conventions.md, "Column lineage".',
)

ARTIFACT_NAMED: Final = _attribute(
    "otelprov.artifact.named",
    "string",
    ("event",),
    "On what a statement used: how the statement names it, as a JSON list. `?2` is the second "
    "question mark of `db.query.text`, `1?2` that of the first of `otelprov.query.views`.",
)

ARTIFACT_ID: Final = _attribute(
    "otelprov.artifact.id",
    "string",
    ("line",),
    "Ids of the data that a log line is about, separated by commas: what the operation that was "
    "running had used until then, and the tables among the values that were logged.",
)

# --- every operation -----------------------------------------------------------------------------

OPERATION_KIND: Final = _attribute(
    "otelprov.operation.kind",
    "string",
    ("span", "run"),
    "`read`, `transform`, `write`, `query`, `train`, `predict`, `check`, `task` or `run`.",
)
RUN_ID: Final = _attribute(
    "otelprov.run.id",
    "string",
    ("span", "run", "line"),
    "The run (one process) that the operation belongs to: `<trace id>-<span id>` of its run span, "
    "or `process-<32 hex digits>` where a process has none (a server, a notebook).",
)
PROCESS_RUN: Final = "process-"
"""How the id of a run begins that has no run span."""
TIER: Final = _attribute(
    "otelprov.tier", "string", ("span",), "How much was recorded: `essential` or `full`."
)
LIBRARY_VERSION: Final = _attribute(
    "otelprov.library.version",
    "string",
    ("span",),
    "Version of the library that ran the operation.",
)
PARAMETER_PREFIX: Final = _attribute(
    "otelprov.parameter.<name>",
    "any",
    ("span",),
    "A parameter by the name it has in the signature, defaults included. Booleans, numbers and "
    "strings as they are, anything else as text; long values shortened, secrets replaced.",
).removesuffix("<name>")
OPERATION_INPUTS: Final = _attribute(
    "otelprov.operation.inputs",
    "string",
    ("span",),
    "For each parameter that held something made of a table by small steps: of which columns, as "
    "JSON: by parameter, by beginning of the id of the used artifact, a list of names, or `null` "
    "where it may be any. Absent where nothing was.",
)

PLAN: Final = _attribute(
    "otelprov.plan",
    "string",
    ("span",),
    "The plan that was executed, in the words of the engine that optimised it; shortened, and "
    "without the texts that data is compared with.",
)
METRIC_PREFIX: Final = _attribute(
    "otelprov.metric.<name>",
    "double",
    ("span",),
    "A figure that the operation has found: the score of a model, an error, the last value of each "
    "metric of a training; of several folds the mean.",
).removesuffix("<name>")
CHECK_OUTCOME: Final = _attribute(
    "otelprov.check.outcome",
    "string",
    ("span",),
    "What a check of data has found: `passed` or `failed`; absent where it could not be carried "
    "out.",
)
CHECK_FAILURES: Final = _attribute(
    "otelprov.check.failures",
    "int",
    ("span",),
    "How many of the checks failed.",
    "{check}",
)
CHECK_FAILED: Final = _attribute(
    "otelprov.check.failed",
    "string[]",
    ("span",),
    "Names of the checks that failed, each once, with the column where they are about one; never "
    "what stands in the data. The last of very many are left out.",
)
PARAMETERS_GIVEN: Final = _attribute(
    "otelprov.parameters.given",
    "string[]",
    ("span",),
    "Names of the parameters that the caller passed; the others are defaults.",
)
DROPPED_USED: Final = _attribute(
    "otelprov.dropped.used", "int", ("span",), "Used artifacts left out for a limit.", "{artifact}"
)
DROPPED_GENERATED: Final = _attribute(
    "otelprov.dropped.generated",
    "int",
    ("span",),
    "Generated artifacts left out for a limit.",
    "{artifact}",
)
DROPPED_PARAMETERS: Final = _attribute(
    "otelprov.dropped.parameters",
    "int",
    ("span",),
    "Parameters left out for a limit.",
    "{parameter}",
)
DROPPED_UNCHANGED: Final = _attribute(
    "otelprov.dropped.unchanged",
    "int",
    ("span",),
    "Unchanged columns that are not named, because of a limit.",
    "{column}",
)
DROPPED_DIGEST_BYTES: Final = _attribute(
    "otelprov.dropped.digest_bytes",
    "int",
    ("span",),
    "Bytes that were not digested, because of the limit for one operation.",
    "By",
)
DROPPED_CARRIERS: Final = _attribute(
    "otelprov.dropped.carriers",
    "int",
    ("span",),
    "Files of directories in which no id was looked for, because of a limit.",
    "{file}",
)
DROPPED_OPERATIONS: Final = _attribute(
    "otelprov.dropped.operations",
    "int",
    ("run",),
    "Calls in this process that were not recorded, because a rule of the policy excludes them.",
    "{operation}",
)
DROPPED_ARTIFACTS: Final = _attribute(
    "otelprov.dropped.artifacts",
    "int",
    ("line",),
    "Ids that a log line does not name, because of a limit.",
    "{artifact}",
)

# --- calls that repeat, traces that go on ---------------------------------------------------------

REPEATED_COUNT: Final = _attribute(
    "otelprov.repeated.count",
    "int",
    ("span",),
    "How many calls from one line of the program the span stands for, where it is more than one.",
    "{call}",
)
REPEATED_FAILURES: Final = _attribute(
    "otelprov.repeated.failures",
    "int",
    ("span",),
    "How many of them raised an exception; those have spans of their own, up to the same limit.",
    "{call}",
)
REPEATED_SUM: Final = _attribute(
    "otelprov.repeated.duration.sum", "double", ("span",), "How long they took in all.", "s"
)
REPEATED_MIN: Final = _attribute(
    "otelprov.repeated.duration.min", "double", ("span",), "How long the shortest took.", "s"
)
REPEATED_MAX: Final = _attribute(
    "otelprov.repeated.duration.max", "double", ("span",), "How long the longest took.", "s"
)
REPEATED_VARYING: Final = _attribute(
    "otelprov.repeated.varying",
    "string[]",
    ("span",),
    "The parameters that were not the same in all of them; the span shows those of the first.",
)
TRACE_CONTINUES: Final = _attribute(
    "otelprov.trace.continues",
    "string",
    ("span",),
    "On a span that is no operation: `<trace id>-<span id>` of the span in another, full trace "
    "that it stands for. What would be below that span is below this one.",
)

# --- log records: what is known of a span that has not been written yet -------------------------

STARTED: Final = _log(
    "otelprov.operation.started",
    "A run, or an operation that is long or writes, has begun: what was going on when a machine "
    "died is known by it.",
)
FINISHED: Final = _log(
    "otelprov.operation",
    "An operation or a run is over, with all that its span says (`OTELPROV_EVENTS`). Its "
    "artifacts stand in `otelprov.operation.used` and `otelprov.operation.generated`, and their "
    "ids once more in `otelprov.used.id` and `otelprov.generated.id`, separated by commas.",
)
RETURNED: Final = _log(
    "otelprov.operation.returned",
    "The call is over, and the ids of some of its data are still being computed: the span follows "
    "when they are known, and counts instead of this.",
)
OPERATION_NAME: Final = _attribute(
    "otelprov.operation.name", "string", ("log",), "Name of the span."
)
OPERATION_PARENT: Final = _attribute(
    "otelprov.operation.parent",
    "string",
    ("log",),
    "Id of the parent of the span: 16 hex digits; absent where it has none.",
)
OPERATION_START: Final = _attribute(
    "otelprov.operation.start", "int", ("log",), "When the span began, since the epoch.", "ns"
)
OPERATION_END: Final = _attribute(
    "otelprov.operation.end",
    "int",
    ("log",),
    "When the span ended, since the epoch; absent while it goes on.",
    "ns",
)
OPERATION_ERROR: Final = _attribute(
    "otelprov.operation.error",
    "string",
    ("log",),
    "The message of the span's status, where it failed.",
)
OPERATION_USED: Final = _attribute(
    "otelprov.operation.used",
    "map[]",
    ("log",),
    "The used artifacts whose ids are known, each with the attributes of its event.",
)
OPERATION_GENERATED: Final = _attribute(
    "otelprov.operation.generated",
    "map[]",
    ("log",),
    "The generated artifacts whose ids are known, each with the attributes of its event.",
)
OPERATION_PENDING: Final = _attribute(
    "otelprov.operation.pending",
    "int",
    ("log",),
    "Artifacts whose ids are still being computed.",
    "{artifact}",
)

# --- log records: what happened to the journal itself --------------------------------------------

JOURNAL_LOST: Final = _log(
    "otelprov.journal.lost",
    "Lines of the journal could not be written, or were deleted while they were written; said by "
    "the same process as soon as it can write again.",
)
LOST_LINES: Final = _attribute(
    "otelprov.lost.lines", "int", ("log",), "Lines that are missing.", "{line}"
)
LOST_BYTES: Final = _attribute("otelprov.lost.bytes", "int", ("log",), "Their size.", "By")
LOST_REASON: Final = _attribute(
    "otelprov.lost.reason", "string", ("log",), "Why the last of them is missing."
)

# --- code version --------------------------------------------------------------------------------

VCS_REVISION: Final = _attribute(
    "vcs.ref.head.revision", "string", ("span", "run"), "Revision of the code that ran."
)
VCS_BRANCH: Final = _attribute(
    "vcs.ref.head.name", "string", ("span", "run"), "Branch or tag of the code that ran."
)
VCS_REPOSITORY: Final = _attribute(
    "vcs.repository.url.full", "string", ("span", "run"), "Repository, without credentials."
)
CODE_DIRTY: Final = _attribute(
    "otelprov.code.dirty",
    "boolean",
    ("span", "run"),
    "Whether the work tree differed from the revision. Absent when that is unknown.",
)
CODE_CHANGE: Final = _attribute(
    "otelprov.code.change",
    "string",
    ("span", "run"),
    "BLAKE3 digest (hex) of the uncommitted change, when there is one.",
)
CODE_SOURCE: Final = _attribute(
    "otelprov.code.source",
    "string",
    ("run",),
    "Where the code version comes from: `git`, `github`, `gitlab`, `jenkins`, `setting`.",
)
DB_SYSTEM: Final = _attribute(
    "db.system.name",
    "string",
    ("span",),
    "The kind of database: `duckdb`, `sqlite`, `postgresql`, `mysql`.",
)
DB_NAMESPACE: Final = _attribute("db.namespace", "string", ("span",), "Name of the database.")
DB_QUERY_TEXT: Final = _attribute(
    "db.query.text",
    "string",
    ("span",),
    "The statement, with `?` for each string and number in it.",
)
QUERY_PIECES: Final = _attribute(
    "otelprov.query.pieces",
    "string[]",
    ("span",),
    "Where a statement is longer than `db.query.text` shows: all of it, in pieces.",
)
QUERY_VIEWS: Final = _attribute(
    "otelprov.query.views",
    "string[]",
    ("span",),
    "The views that a statement reads, as JSON in pieces: a list with the parts of the name of "
    "each, and the statement that made it with `?` for each string and number.",
)

DB_OPERATION: Final = _attribute(
    "db.operation.name",
    "string",
    ("span",),
    "What the statement does: `SELECT`, `INSERT`, `CREATE TABLE`; absent for several statements.",
)
DB_COLLECTION: Final = _attribute(
    "db.collection.name", "string", ("span",), "The table, where the statement names but one."
)
DB_BATCH: Final = _attribute(
    "db.operation.batch.size",
    "int",
    ("span",),
    "How many times the statement was carried out, where that is more than once: `executemany`, or "
    "the same statement again and again from one line, in one transaction.",
)
TRANSACTION: Final = _attribute(
    "otelprov.transaction.outcome",
    "string",
    ("span",),
    "Why the table that a statement wrote is not generated: `rolled back`; `not committed` before "
    "the connection was closed or the process ended; `unknown`, where the commit failed with the "
    "connection.",
)
CODE_FUNCTION: Final = _attribute(
    "code.function.name", "string", ("span",), "Function of the user's code that made the call."
)
CODE_FILE: Final = _attribute(
    "code.file.path", "string", ("span",), "File of the user's code that made the call."
)
CODE_LINE: Final = _attribute(
    "code.line.number", "int", ("span",), "Line of the user's code that made the call."
)
HTTP_STATUS: Final = _attribute(
    "http.response.status_code", "int", ("span",), "Of a download: what the server answered."
)
CICD_PIPELINE_NAME: Final = _attribute(
    "cicd.pipeline.name", "string", ("run",), "Name of the CI pipeline."
)
CICD_RUN_ID: Final = _attribute(
    "cicd.pipeline.run.id", "string", ("run",), "Run of the CI pipeline."
)
CICD_RUN_URL: Final = _attribute(
    "cicd.pipeline.run.url.full", "string", ("run",), "Address of the run of the CI pipeline."
)

# --- the run span --------------------------------------------------------------------------------

RUN_OPERATIONS: Final = _attribute(
    "otelprov.run.operations",
    "int",
    ("run",),
    "How many spans of operations the process has written, those of forked children not among "
    "them: where there are fewer, some were lost on the way. Absent where the run goes on in "
    "another trace.",
    "{operation}",
)
RUN_FAULTS: Final = _attribute(
    "otelprov.run.faults",
    "string[]",
    ("run",),
    "What is not recorded because of an error of otelprov's own, each once, at most ten. Absent "
    "where there was none.",
)
PROCESS_PID: Final = _attribute(
    "process.pid",
    "int",
    ("span", "run"),
    "Process id. On an operation where another process carried it out than the one whose run it "
    "belongs to: a forked child, a worker of a pool.",
)
RUN_REPLACED: Final = _attribute(
    "otelprov.run.replaced",
    "string",
    ("run",),
    "Id of the run that this one took the place of, in the same process (`os.exec`).",
)
PROCESS_ARGS: Final = _attribute(
    "process.command_args", "string[]", ("run",), "Command line, secrets replaced."
)
PROCESS_DIRECTORY: Final = _attribute(
    "process.working_directory", "string", ("run",), "Working directory at the start."
)
PYTHON_VERSION: Final = _attribute(
    "process.runtime.version", "string", ("run",), "Version of Python."
)
ERROR_TYPE: Final = _attribute(
    "error.type", "string", ("span", "run"), "Class of the exception that ended the operation."
)

# --- what is marked ------------------------------------------------------------------------------

SENSITIVE: Final = _attribute(
    "otelprov.sensitive",
    "boolean",
    ("span",),
    "`true` where a rule of the policy says that the details are for few eyes: the gateway of "
    "collector-config sends them to a restricted store, and to all others no more than what "
    "connects them.",
)


# --- metrics -------------------------------------------------------------------------------------


class Metric(NamedTuple):
    """One metric of the convention."""

    name: str
    instrument: Literal["counter", "gauge", "histogram"]
    unit: str
    """UCUM unit."""
    attributes: tuple[str, ...]
    """Names of what its points are told apart by: each of few values."""
    brief: str


METRICS: Final[dict[str, Metric]] = {}


def _metric(
    name: str,
    instrument: Literal["counter", "gauge", "histogram"],
    unit: str,
    attributes: tuple[str, ...],
    brief: str,
) -> str:
    METRICS[name] = Metric(name, instrument, unit, attributes, brief)
    return name


DIRECTION: Final = "otelprov.direction"
"""On a metric: `used` or `generated`."""
CUT: Final = "otelprov.cut"
"""On a metric: what was left out for a limit, as the attributes `otelprov.dropped.<what>` name it:
`used`, `generated`, `parameters`, `unchanged`, `carriers`; and `names`, of metrics themselves."""

_OPERATION: Final = (OPERATION_NAME, OPERATION_KIND)

OPERATION_DURATION: Final = _metric(
    "otelprov.operation.duration",
    "histogram",
    "s",
    (*_OPERATION, ERROR_TYPE),
    "How long operations took, from call to return.",
)
OPERATION_ROWS: Final = _metric(
    "otelprov.operation.rows",
    "counter",
    "{row}",
    (*_OPERATION, DIRECTION),
    "Rows of the tables that operations used and generated.",
)
OPERATION_BYTES: Final = _metric(
    "otelprov.operation.bytes",
    "counter",
    "By",
    (*_OPERATION, DIRECTION),
    "Bytes of the files that operations used and generated.",
)
OPERATION_FAILURES: Final = _metric(
    "otelprov.operation.failures",
    "counter",
    "{operation}",
    (*_OPERATION, ERROR_TYPE),
    "Operations that ended by an exception.",
)
ARTIFACT_ROWS_METRIC: Final = _metric(
    "otelprov.artifact.rows",
    "gauge",
    "{row}",
    (ARTIFACT_NAME,),
    "Rows of a named artifact when it was last written.",
)
ARTIFACT_MODIFIED: Final = _metric(
    "otelprov.artifact.modified",
    "gauge",
    "s",
    (ARTIFACT_NAME,),
    "When a named artifact was last written, since the epoch: its age is now minus this.",
)
JOURNAL_SIZE: Final = _metric(
    "otelprov.journal.size", "gauge", "By", (), "Size of the journal on this host."
)
JOURNAL_LOSSES: Final = _metric(
    "otelprov.journal.lost",
    "counter",
    "{line}",
    (),
    "Lines that could not be written to the journal, or were removed from it undelivered.",
)
DELIVERY_WAITING: Final = _metric(
    "otelprov.delivery.waiting",
    "gauge",
    "By",
    (),
    "What of the journal waits to be delivered.",
)
DELIVERY_DELIVERED: Final = _metric(
    "otelprov.delivery.delivered", "counter", "{line}", (), "Lines that the receiver took."
)
DELIVERY_REFUSED: Final = _metric(
    "otelprov.delivery.refused",
    "counter",
    "{line}",
    (),
    "Lines that the receiver refused for good.",
)
DIGEST_DURATION: Final = _metric(
    "otelprov.digest.duration", "histogram", "s", (), "How long digesting took."
)
DIGEST_BYTES: Final = _metric("otelprov.digest.bytes", "counter", "By", (), "Bytes digested.")
FAULTS: Final = _metric(
    "otelprov.faults",
    "counter",
    "{fault}",
    (),
    "Errors of otelprov's own that it kept from the program.",
)
CALLS_SUMMED_UP: Final = _metric(
    "otelprov.calls.summed_up",
    "counter",
    "{call}",
    (),
    "Calls that have no span of their own: one stands for many.",
)
TRACES_CONTINUED: Final = _metric(
    "otelprov.traces.continued",
    "counter",
    "{trace}",
    (),
    "Traces that were begun because another was full.",
)
DROPPED_ITEMS: Final = _metric(
    "otelprov.dropped.items",
    "counter",
    "{item}",
    (CUT,),
    "What operations leave out for a limit, as their spans say.",
)
DROPPED_BYTES: Final = _metric(
    "otelprov.dropped.bytes",
    "counter",
    "By",
    (),
    "Bytes of files that were not digested, because of the limit for one operation.",
)
