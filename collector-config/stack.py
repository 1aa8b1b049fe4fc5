"""Build and run the servers otelprov is tried and tested with: a Collector, and Jaeger behind it.

Needs Python 3.10, Linux or macOS and, the first time, Go; nothing else, so that it can run before
there is any virtual environment. Whatever it makes is in the cache directory, never in the
repository. README.md beside this file says what the files here are.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from servers import (
    COLLECTOR,
    HERE,
    JAEGER,
    StackError,
    built,
    cache_directory,
    locked,
    say,
    tail,
)

READY_SECONDS = 30.0
"""How long a server may take until it answers. Both together take half a second when idle."""

STOP_SECONDS = 10.0
"""How long a server may take to end after SIGTERM, before it gets SIGKILL."""

PORTS = {
    "otlp_grpc": ("OTELPROV_OTLP_GRPC_PORT", 4317),
    "otlp_http": ("OTELPROV_OTLP_HTTP_PORT", 4318),
    "jaeger": ("OTELPROV_JAEGER_QUERY_PORT", 16686),
    "jaeger_grpc": ("OTELPROV_JAEGER_GRPC_PORT", 16685),
    "jaeger_otlp_grpc": ("OTELPROV_JAEGER_OTLP_GRPC_PORT", 14317),
    "jaeger_otlp_http": ("OTELPROV_JAEGER_OTLP_HTTP_PORT", 14318),
}
"""Every port of the stack: the variable by which the YAML files learn of it, and its default."""


# ---------------------------------------------------------------------------------------------
# Running


@dataclass(frozen=True, slots=True)
class Process:
    """A server that was started: enough to find it again, and to know it from any other."""

    pid: int
    birth: str
    log: str

    def runs(self) -> bool:
        """Whether the process of this number is still the one that was started."""
        return birth(self.pid) == self.birth


@dataclass(frozen=True, slots=True)
class Stack:
    """What the state file holds: the servers that were started, and where they listen."""

    ports: dict[str, int]
    processes: dict[str, Process]

    def runs(self) -> bool:
        """Whether all of it runs. Less was started when `up` itself was killed."""
        return self.processes.keys() == ANSWERS.keys() and all(
            process.runs() for process in self.processes.values()
        )

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


def up(state: Path, *, free_ports: bool, storage: str) -> Stack:
    """Start Jaeger and the Collector, and come back when both answer.

    Harmless when they run already. Raises StackError when one does not come up; then neither is
    left running.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    binaries = {server.name: built(server) for server in (JAEGER, COLLECTOR)}
    with locked(state / "lock", f"another process is at work in {state}; waiting for that"):
        found = load(state)
        if found is not None and found.runs():
            for name, process in found.processes.items():
                wait_until_it_answers(name, process, found.ports)
            say("already running")
            return found
        if found is not None:
            say("not all of it was running any more; starting anew")
            end(found, state)
        if not free_ports:
            return launch(binaries, state, configured_ports(), storage)
        for _ in range(4):
            try:
                return launch(binaries, state, pick_free_ports(), storage)
            except PortTakenError:
                say("a port that was free has just been taken; trying with others")
        return launch(binaries, state, pick_free_ports(), storage)


def launch(binaries: Mapping[str, Path], state: Path, ports: dict[str, int], storage: str) -> Stack:
    """Start both servers on these ports: both answer in the end, or neither runs."""
    environment = {
        **os.environ,
        **{variable: str(ports[name]) for name, (variable, _) in PORTS.items()},
        "OTELPROV_BIND": "127.0.0.1",
        "OTELPROV_JAEGER_HOST": "127.0.0.1",
        "OTELPROV_JAEGER_UI": str(HERE / "jaeger" / "ui.json"),
        "OTELPROV_JAEGER_DATA": str(state / "badger"),
    }
    # Jaeger first, so that the Collector finds it at its first attempt.
    configurations = {
        "jaeger": [HERE / "jaeger" / "config.yaml"],
        "collector": [HERE / "local.yaml"],
    }
    if storage == "badger":
        configurations["jaeger"].append(HERE / "jaeger" / "config-badger.yaml")
    stack = Stack(ports, {})
    try:
        for name, files in configurations.items():
            command = [str(binaries[name]), *config_arguments(files)]
            process = start(command, environment, state / f"{name}.log")
            stack.processes[name] = process
            # At once: if this program dies now, `down` still finds what it started.
            stack.save(state)
            wait_until_it_answers(name, process, ports)
    except BaseException:
        end(stack, state)
        raise
    return stack


def config_arguments(files: list[Path]) -> list[str]:
    """Several files are laid one over the other, the last on top."""
    return [argument for file in files for argument in ("--config", str(file))]


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


def start(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a server that lives on after this program, in a session of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # None only if it died within the microseconds since; then nothing ever runs under "".
    return Process(pid=process.pid, birth=birth(process.pid) or "", log=str(log))


def end(stack: Stack, state: Path) -> None:
    """End the stack's processes and forget them: the last started first.

    So the Collector ends while Jaeger is still there to take what the Collector holds.
    """
    for name, process in reversed(stack.processes.items()):
        if not process.runs():
            say(f"{name}: process {process.pid} had ended already")
        for signal_number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
            if not process.runs():
                break
            with suppress(ProcessLookupError):  # it ended just now, by itself
                os.kill(process.pid, signal_number)
            deadline = time.monotonic() + seconds
            while process.runs() and time.monotonic() < deadline:
                time.sleep(0.02)
        if process.runs():
            raise StackError(f"{name}, process {process.pid}, does not end, not even by SIGKILL")
    (state / "state.json").unlink(missing_ok=True)


def birth(pid: int) -> str | None:
    """What tells this process from every other that ever had its number; None when it is gone.

    On Linux the boot and the clock tick it was started in, elsewhere what `ps` says of its start
    and command. A zombie is gone: it has ended, and only its parent has not noticed yet.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # proc(5): the second field is the name, in parentheses, and may hold anything; then
        # comes the state, field 3. The start time is field 22.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{boot.read_text().strip()} {fields[19]}"
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    condition, _, rest = told.stdout.strip().partition(" ")
    return None if told.returncode != 0 or condition.startswith("Z") else rest


def wait_until_it_answers(name: str, process: Process, ports: Mapping[str, int]) -> None:
    """Come back when the server takes real requests on each of its ports.

    Raises StackError when it ends before, PortTakenError if for want of a port, or takes longer
    than READY_SECONDS.
    """
    deadline = time.monotonic() + READY_SECONDS
    while process.runs():
        if ANSWERS[name](ports):
            return
        if time.monotonic() > deadline:
            why = f"did not answer within {READY_SECONDS:.0f} s"
            break
        time.sleep(0.05)
    else:
        why = "ended at its start"
    log = tail(Path(process.log))
    error = PortTakenError if "address already in use" in log else StackError
    raise error(f"{name} {why}; the end of {process.log}:\n{log}")


class PortTakenError(StackError):
    """Another program took a port between our choice of it and the server's start."""


# An export of no spans at all is a valid OTLP request, and leaves nothing behind.
NO_SPANS = b"{}"


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


ANSWERS = {"jaeger": jaeger_answers, "collector": collector_answers}


def answers_http(url: str, body: bytes | None = None) -> bool:
    """Whether a GET, or with a body a POST of JSON, is answered with 200 within 2 seconds."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    # A proxy from the environment has no business between two processes of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):  # URLError and HTTPError are OSErrors
        return False


def answers_tcp(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def configured_ports() -> dict[str, int]:
    """The ports the variables or the defaults say, each checked to be free.

    Without the check a stranger on the port would answer in our server's place. Raises
    StackError when one is taken or not a number.
    """
    ports = {}
    for name, (variable, default) in PORTS.items():
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


def pick_free_ports() -> dict[str, int]:
    """As many different free ports as there are in PORTS."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(listening(0)) for name in PORTS}
        return {name: int(taken.getsockname()[1]) for name, taken in sockets.items()}


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Hold a port of 127.0.0.1, any free one for 0. Raises OSError when it cannot be had."""
    with socket.socket() as taken:
        # As Go does: a port is not taken because of connections that were closed lately.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield taken


# ---------------------------------------------------------------------------------------------
# Checking


def validate() -> bool:
    """Have each configuration checked by the server that is to run it. Starts nothing.

    Returns whether all are valid. Every YAML file of this directory is a Collector's, but for
    the manifest and compose.yaml; Jaeger is a Collector with a `validate` of its own.
    """
    others = {"collector-builder.yaml", "compose.yaml"}
    collector, jaeger = built(COLLECTOR), built(JAEGER)
    configurations = [file for file in sorted(HERE.glob("*.yaml")) if file.name not in others]
    memory, badger = HERE / "jaeger" / "config.yaml", HERE / "jaeger" / "config-badger.yaml"
    checks = [(collector, [file]) for file in configurations]
    checks += [(jaeger, [memory]), (jaeger, [memory, badger])]
    valid = True
    for binary, files in checks:
        command = [str(binary), "validate", *config_arguments(files)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        names = " + ".join(str(file.relative_to(HERE)) for file in files)
        print(f"{names}: {'valid' if told.returncode == 0 else 'NOT VALID'}", flush=True)
        if told.returncode != 0:
            valid = False
            say((told.stderr or told.stdout).strip())
    return valid


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
        for name in ANSWERS:
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
        description="Build and run an OpenTelemetry Collector, and Jaeger behind it, on loopback.",
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
            + "".join(f"  {name:<31}  default {port}\n" for name, port in PORTS.values())
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, detail: str) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}. {detail}"
        return commands.add_parser(name, help=summary, description=description)

    command(
        "build",
        "build both servers",
        "Each is built once and kept in the cache under a digest of everything it is built from; "
        "later calls only print where the binaries are.",
    )
    starting = command(
        "up",
        "start both servers, and come back when they answer",
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
        "Ends those two processes and no other. Harmless when nothing runs.",
    )
    asking = command(
        "status",
        "say whether the servers run, and where",
        "Exit code 0 when both run, 3 when not.",
    )
    command(
        "validate",
        "have every configuration file checked by the server that runs it",
        "Starts nothing. Exit code 1 when one is not valid.",
    )
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
            for server in (JAEGER, COLLECTOR):
                print(built(server), flush=True)
            return 0
        if options.command == "validate":
            return 0 if validate() else 1
        state = options.state.expanduser().absolute()
        if options.command == "up":
            stack = up(state, free_ports=options.free_ports, storage=options.storage)
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
