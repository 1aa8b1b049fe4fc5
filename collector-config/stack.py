"""Build and run the servers otelprov is tried and tested with: a Collector, and Jaeger behind it.

With ``--full`` Loki for logs and Prometheus for metrics as well. Needs Python 3.10, Linux or macOS
and, the first time, Go; nothing else, so that it can run before there is any virtual environment.
Whatever it makes is in the cache directory, never in the repository. README.md beside this file
says what the files here are.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from checks import validate
from processes import (
    NO_SPANS,
    PortTakenError,
    Process,
    answers_http,
    answers_tcp,
    listening,
    pick_free_ports,
    start,
    stop,
    wait_until_it_answers,
)
from servers import HERE, SERVERS, StackError, built, cache_directory, locked, say

SMALL = ("jaeger", "collector")
"""The servers of the stack, in the order in which they start: what others send to comes first."""

FULL = ("jaeger", "loki", "prometheus", "collector")
"""Those of ``up --full``."""

PORTS = {
    "otlp_grpc": ("OTELPROV_OTLP_GRPC_PORT", 4317),
    "otlp_http": ("OTELPROV_OTLP_HTTP_PORT", 4318),
    "jaeger": ("OTELPROV_JAEGER_QUERY_PORT", 16686),
    "jaeger_grpc": ("OTELPROV_JAEGER_GRPC_PORT", 16685),
    "jaeger_otlp_grpc": ("OTELPROV_JAEGER_OTLP_GRPC_PORT", 14317),
    "jaeger_otlp_http": ("OTELPROV_JAEGER_OTLP_HTTP_PORT", 14318),
}
"""Every port of the stack: the variable by which the YAML files learn of it, and its default."""

FULL_PORTS = {
    **PORTS,
    "loki": ("OTELPROV_LOKI_PORT", 3100),
    "loki_grpc": ("OTELPROV_LOKI_GRPC_PORT", 9096),
    "prometheus": ("OTELPROV_PROMETHEUS_PORT", 9090),
    "metrics": ("OTELPROV_METRICS_PORT", 9464),
}
"""Those of ``up --full``."""


# ---------------------------------------------------------------------------------------------
# Running


@dataclass(frozen=True, slots=True)
class Stack:
    """What the state file holds: the servers that were started, and where they listen."""

    ports: dict[str, int]
    processes: dict[str, Process]

    def runs(self) -> bool:
        """Whether all of it runs. Less was started when `up` itself was killed."""
        return self.processes.keys() == set(self.servers()) and all(
            process.runs() for process in self.processes.values()
        )

    def servers(self) -> tuple[str, ...]:
        """The servers that the ports are for."""
        return FULL if "loki" in self.ports else SMALL

    def save(self, state: Path) -> None:
        """Write the state file: the old one or the new one is there, never half of one."""
        draft = state / "state.json.new"
        draft.write_text(json.dumps(asdict(self), indent=2))
        draft.replace(state / "state.json")


def load(state: Path) -> Stack | None:
    """The stack that the state directory tells of, running or not; None when there is none."""
    try:
        text = (state / "state.json").read_text()
    except FileNotFoundError:
        return None
    try:
        saved = json.loads(text)
        processes = {name: Process(**process) for name, process in saved["processes"].items()}
        return Stack(ports=saved["ports"], processes=processes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(
            f"{state / 'state.json'} is not a state file of this program ({error!r}); "
            "end the servers it may tell of, and remove it"
        ) from None


def up(state: Path, *, free_ports: bool, storage: str, full: bool) -> Stack:
    """Start the servers, and come back when all of them answer.

    Harmless when they run already. Raises StackError when one does not come up; then none is
    left running.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    names, variables = (FULL, FULL_PORTS) if full else (SMALL, PORTS)
    binaries = {name: built(SERVERS[name]) for name in names}
    with locked(state / "lock", f"another process is at work in {state}; waiting for that"):
        found = load(state)
        if found is not None and found.runs():
            if full and found.servers() != FULL:
                raise StackError("it runs already, but without Loki and Prometheus: `down` first")
            for name, process in found.processes.items():
                wait_until_it_answers(name, process, answering(name, found.ports))
            say("already running")
            return found
        if found is not None:
            say("not all of it was running any more; starting anew")
            end(found, state)
        if not free_ports:
            return launch(binaries, state, configured_ports(variables), storage)
        for _ in range(4):
            try:
                return launch(binaries, state, pick_free_ports(variables), storage)
            except PortTakenError:
                say("a port that was free has just been taken; trying with others")
        return launch(binaries, state, pick_free_ports(variables), storage)


def launch(binaries: Mapping[str, Path], state: Path, ports: dict[str, int], storage: str) -> Stack:
    """Start the servers on these ports: all answer in the end, or none runs."""
    environment = {
        **os.environ,
        **{FULL_PORTS[name][0]: str(port) for name, port in ports.items()},
        "OTELPROV_BIND": "127.0.0.1",
        "OTELPROV_JAEGER_HOST": "127.0.0.1",
        "OTELPROV_JAEGER_UI": str(HERE / "jaeger" / "ui.json"),
        "OTELPROV_JAEGER_DATA": str(state / "badger"),
        "OTELPROV_LOKI_HOST": "127.0.0.1",
        "OTELPROV_LOKI_DATA": str(state / "loki"),
    }
    arguments = {
        "jaeger": config_arguments([HERE / "jaeger" / "config.yaml"]),
        "collector": config_arguments([HERE / "local.yaml"]),
    }
    if storage == "badger":
        arguments["jaeger"] += config_arguments([HERE / "jaeger" / "config-badger.yaml"])
    if "loki" in binaries:
        arguments["collector"] += config_arguments([HERE / "local-full.yaml"])
        arguments["loki"] = loki_arguments()
        arguments["prometheus"] = prometheus_arguments(state, ports)
    stack = Stack(ports, {})
    try:
        for name, binary in binaries.items():
            log = state / f"{name}.log"
            process = start([str(binary), *arguments[name]], environment, log)
            stack.processes[name] = process
            # At once: if this program dies now, `down` still finds what it started.
            stack.save(state)
            wait_until_it_answers(name, process, answering(name, ports))
    except BaseException:
        end(stack, state)
        raise
    return stack


def config_arguments(files: Iterable[Path]) -> list[str]:
    """Several files are laid one over the other, the last on top."""
    return [argument for file in files for argument in ("--config", str(file))]


def loki_arguments() -> list[str]:
    """How Loki is started: its file may name variables of the environment."""
    return [f"-config.file={HERE / 'loki' / 'loki.yaml'}", "-config.expand-env=true"]


def prometheus_arguments(state: Path, ports: Mapping[str, int]) -> list[str]:
    """How Prometheus is started, on a copy of its file: that cannot name variables."""
    text = (HERE / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("127.0.0.1:9464", f"127.0.0.1:{ports['metrics']}")
    # Relative names in it are relative to where the file is.
    text = text.replace("rules.yml", str(HERE / "prometheus" / "rules.yml"))
    (state / "prometheus.yml").write_text(text)
    return [
        f"--config.file={state / 'prometheus.yml'}",
        f"--storage.tsdb.path={state / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    ]


def down(state: Path) -> bool:
    """End what `up` started, and nothing else; False when there was nothing to end.

    Raises StackError when a server outlives even SIGKILL.
    """
    if not state.is_dir():
        return False
    with locked(state / "lock", f"another process is at work in {state}; waiting for that"):
        found = load(state)
        if found is None:
            return False
        end(found, state)
        return True


def end(stack: Stack, state: Path) -> None:
    """End the stack's processes and forget them: the last started first.

    So the Collector ends while the others are still there to take what it holds.
    """
    for name, process in reversed(stack.processes.items()):
        if not process.runs():
            say(f"{name}: process {process.pid} had ended already")
        stop(name, process)
    (state / "state.json").unlink(missing_ok=True)


def jaeger_answers(ports: Mapping[str, int]) -> bool:
    """Whether Jaeger takes queries and spans, over HTTP and gRPC."""
    return (
        answers_http(f"http://127.0.0.1:{ports['jaeger']}/api/services")
        and answers_http(f"http://127.0.0.1:{ports['jaeger_otlp_http']}/v1/traces", NO_SPANS)
        and answers_tcp(ports["jaeger_otlp_grpc"])
        and answers_tcp(ports["jaeger_grpc"])
    )


def collector_answers(ports: Mapping[str, int]) -> bool:
    """Whether the Collector takes spans, over HTTP and gRPC."""
    traces = f"http://127.0.0.1:{ports['otlp_http']}/v1/traces"
    return answers_http(traces, NO_SPANS) and answers_tcp(ports["otlp_grpc"])


def loki_answers(ports: Mapping[str, int]) -> bool:
    """Whether Loki takes logs and queries."""
    return answers_http(f"http://127.0.0.1:{ports['loki']}/ready")


def prometheus_answers(ports: Mapping[str, int]) -> bool:
    """Whether Prometheus takes queries."""
    return answers_http(f"http://127.0.0.1:{ports['prometheus']}/-/ready")


ANSWERS = {
    "jaeger": jaeger_answers,
    "collector": collector_answers,
    "loki": loki_answers,
    "prometheus": prometheus_answers,
}


def answering(name: str, ports: Mapping[str, int]) -> Callable[[], bool]:
    """The question to a server of this name on these ports."""
    return lambda: ANSWERS[name](ports)


def configured_ports(variables: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """The ports the variables or the defaults say, each checked to be free.

    Without the check a stranger on the port would answer in our server's place. Raises
    StackError when one is taken or not a number.
    """
    ports = {}
    for name, (variable, default) in variables.items():
        given = os.environ.get(variable) or str(default)
        if not given.isdecimal() or not 0 < int(given) < 65536:
            raise StackError(f"{variable} is {given!r}; expected a port, 1 to 65535")
        ports[name] = int(given)
        try:
            with listening(ports[name]):
                pass
        except OSError as error:
            raise StackError(
                f"port {given}, for {name}, cannot be had ({error.strerror}): end what listens "
                f"there, set {variable}, or use --free-ports"
            ) from None
    return ports


# ---------------------------------------------------------------------------------------------
# The command line


def show(stack: Stack | None, state: Path, *, as_json: bool) -> None:
    """Print where the stack listens: for people, or as one JSON object for programs."""
    if as_json:
        told = {
            "running": stack is not None and stack.runs(),
            "state": str(state),
            "endpoints": endpoints(stack.ports) if stack else {},
            "processes": {
                name: {"pid": process.pid, "running": process.runs(), "log": process.log}
                for name, process in (stack.processes.items() if stack else ())
            },
        }
        print(json.dumps(told, indent=2))
    elif stack is None:
        print(f"not running (no state in {state})")
    else:
        at = endpoints(stack.ports)
        print(f"Collector, OTLP/HTTP   {at['otlp_http']}")
        print(f"Collector, OTLP/gRPC   {at['otlp_grpc']}")
        print(f"Jaeger, page and API   {at['jaeger']}")
        if "loki" in at:
            print(f"Loki                   {at['loki']}")
            print(f"Prometheus             {at['prometheus']}")
        for name in stack.servers():
            process = stack.processes.get(name)
            if process is None or not process.runs():
                print(f"{name:<10} NOT RUNNING")
            else:
                print(f"{name:<10} process {process.pid}  log {process.log}")


def endpoints(ports: Mapping[str, int]) -> dict[str, str]:
    """A URL for each port; those of gRPC are how the SDK's OTLP exporter wants them."""
    return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; on a wrong one, explain and exit with code 2."""
    parser = argparse.ArgumentParser(
        prog="stack.py",
        description=(
            "Build and run an OpenTelemetry Collector, and Jaeger behind it, on loopback; with "
            "--full, Loki and Prometheus too."
        ),
        epilog=(
            "first steps:\n"
            "  python collector-config/stack.py up       # builds both, the first time\n"
            "  OTEL_SERVICE_NAME=demo opentelemetry-instrument python pipeline.py\n"
            "  python collector-config/stack.py status   # where Jaeger is\n"
            "  python collector-config/stack.py down\n"
            "\n"
            "environment:\n"
            "  OTELPROV_CACHE                   where binaries, logs and state go; "
            "default ~/.cache/otelprov\n"
            + "".join(f"  {name:<31}  default {port}\n" for name, port in FULL_PORTS.values())
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, detail: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}. {detail}"
        return commands.add_parser(name, help=summary, description=description)

    building = command(
        "build",
        "build the servers",
        "Each is built once and kept in the cache under a digest of everything it is built from; "
        "later calls only print where the binaries are.",
    )
    starting = command(
        "up",
        "start the servers, and come back when they answer",
        "Builds them if need be. They listen on 127.0.0.1 only, and outlive this command. "
        "Harmless when they run already.",
    )
    starting.add_argument(
        "--free-ports", action="store_true", help="take free ports, not the well-known ones"
    )
    starting.add_argument(
        "--storage",
        choices=("memory", "badger"),
        default="memory",
        help="where Jaeger keeps traces; badger: on disk, in the state directory (default: memory)",
    )
    stopping = command(
        "down",
        "end what `up` started",
        "Ends those processes and no other. Harmless when nothing runs.",
    )
    asking = command(
        "status",
        "say whether the servers run, and where",
        "Exit code 0 when all run, 3 when not.",
    )
    command(
        "validate",
        "have every configuration file checked by the program that reads it",
        "Starts no server. Exit code 1 when one is not valid.",
    )
    for subparser in (building, starting):
        subparser.add_argument("--full", action="store_true", help="Loki and Prometheus as well")
    for subparser in (starting, stopping, asking):
        subparser.add_argument(
            "--state",
            type=Path,
            default=cache_directory() / "stack",
            metavar="DIR",
            help="the directory of state and logs, one a stack (default: %(default)s)",
        )
    for subparser in (starting, asking):
        subparser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 not running."""
    options = parse(arguments)
    try:
        if options.command == "build":
            for name in FULL if options.full else SMALL:
                print(built(SERVERS[name]), flush=True)
            return 0
        if options.command == "validate":
            return 0 if validate() else 1
        state = options.state.expanduser().absolute()
        if options.command == "up":
            choices = {"free_ports": options.free_ports, "storage": options.storage}
            stack = up(state, full=options.full, **choices)
            show(stack, state, as_json=options.json)
            return 0
        if options.command == "down":
            say("ended" if down(state) else "nothing was running")
            return 0
        found = load(state)
        show(found, state, as_json=options.json)
        return 0 if found is not None and found.runs() else 3
    except StackError as error:
        say(f"stack.py: {error}")
        return 1
    except KeyboardInterrupt:
        say("stack.py: interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
