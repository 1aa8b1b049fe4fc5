"""Who gets in, who does not, and what becomes of the data meanwhile: with real Collectors."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import urllib.error
from pathlib import Path

import collectors
import pytest
from collectors import Secrets, eventually, post, span, traces

pytestmark = pytest.mark.servers


def names(state: Path) -> list[str]:
    """Names of our spans in the record of the gateway, as often as they are there."""
    text = collectors.record(state / "record")
    return [part.split('"')[0] for part in text.split('"name":"')[1:] if part.startswith("work")]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> object:
    state = tmp_path_factory.mktemp("gateway")
    secrets = Secrets(state)
    secrets.write()
    collector = collectors.gateway(state, secrets)
    with collectors.running(collector):
        yield collector, secrets


@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), ("", 401), ("wrong-token", 401), ("correct-token", 200)]
)
def test_without_the_right_token_nothing_is_taken(
    gateway: tuple[collectors.Collector, Secrets], token: str | None, status: int
) -> None:
    collector, secrets = gateway
    name = f"work {token}"
    body = traces(span(name))
    assert post(collector.https, body, token=token, trust=secrets.trust) == status
    assert (name in names(collector.state)) is (status == 200)


def test_without_tls_nothing_is_taken(gateway: tuple[collectors.Collector, Secrets]) -> None:
    collector, _ = gateway
    # Go's server answers with 400 and closes; the client may see either.
    with contextlib.suppress(urllib.error.URLError):
        assert post(collector.http, traces(span("work in the open")), token="correct-token") == 400
    assert "work in the open" not in names(collector.state)


def test_tls_before_1_3_is_refused(gateway: tuple[collectors.Collector, Secrets]) -> None:
    collector, secrets = gateway
    context = ssl.create_default_context(cafile=str(secrets.trust))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for port in (collector.ports["otlp_grpc"], collector.ports["otlp_http"]):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(connection, server_hostname="localhost")


def test_an_agent_trusts_only_the_authority_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours, theirs = Secrets(tmp_path / "ours"), Secrets(tmp_path / "theirs")
    ours.write()
    theirs.write()
    gateway = collectors.gateway(tmp_path, theirs)
    agent = collectors.agent(tmp_path, ours, gateway.ports["otlp_grpc"])
    with collectors.running(gateway, agent):
        assert post(agent.http, traces(span("work"))) == 200
        eventually("a refusal", lambda: "unknown authority" in agent.log())
    assert names(tmp_path) == []


def test_an_expired_certificate_delays_and_loses_nothing(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    secrets.write(expired=True)
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])
    with collectors.running(gateway, agent):
        with pytest.raises(urllib.error.URLError, match="expired"):
            post(gateway.https, traces(span()), token="correct-token", trust=secrets.trust)
        assert post(agent.http, traces(span("work"))) == 200
        eventually("a refusal", lambda: "certificate has expired" in agent.log())
        assert names(tmp_path) == []
        gateway.stop()
        secrets.write()
        gateway.start()
        eventually("the span arrives", lambda: names(tmp_path) == ["work"])


def give(agent: collectors.Collector, name: str) -> None:
    """Send a span until it is taken, as every sender does: who has just begun may hang up."""

    def taken() -> bool:
        try:
            return post(agent.http, traces(span(name))) == 200
        except OSError:
            return False

    eventually(f"the agent takes {name}", taken)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_what_an_agent_took_survives_its_end_while_the_gateway_is_away(
    tmp_path: Path, secrets: Secrets, end: str
) -> None:
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])
    expected = [f"work {number}" for number in range(20)]
    with collectors.running(agent):
        for name in expected[:10]:
            give(agent, name)
        getattr(agent, end)()
        agent.start()
        for name in expected[10:]:
            give(agent, name)
        getattr(agent, end)()
        agent.start()
        with collectors.running(gateway):
            eventually("all arrive", lambda: set(names(tmp_path)) == set(expected))


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_what_a_gateway_took_survives_its_end_while_jaeger_is_away(
    tmp_path: Path, secrets: Secrets, end: str
) -> None:
    # A second gateway stands in for Jaeger: it takes OTLP/gRPC as Jaeger does, and tells what.
    gateway = collectors.gateway(tmp_path, secrets)
    (tmp_path / "behind").mkdir()
    port = collectors.free_ports("otlp")["otlp"]
    gateway.environment["OTELPROV_JAEGER_OTLP_GRPC_PORT"] = str(port)
    behind = collectors.plain_receiver(tmp_path / "behind", port)
    with collectors.running(gateway):
        body = traces(*(span(f"work {number}") for number in range(3)))
        assert post(gateway.https, body, token="correct-token", trust=secrets.trust) == 200
        getattr(gateway, end)()
        gateway.start()
        with collectors.running(behind):
            eventually(
                "all arrive",
                lambda: set(names(tmp_path / "behind")) == {f"work {n}" for n in (0, 1, 2)},
            )


def test_a_token_is_replaced_without_a_restart_or_a_refusal(
    tmp_path: Path, secrets: Secrets
) -> None:
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])

    def arrives(name: str) -> None:
        assert post(agent.http, traces(span(name))) == 200
        eventually(f"{name} arrives", lambda: name in names(tmp_path))

    def accepted(token: str) -> bool:
        return post(gateway.https, traces(span()), token=token, trust=secrets.trust) == 200

    with collectors.running(gateway, agent):
        arrives("work before")
        (tmp_path / "tokens").write_text("correct-token # this host\nnew-token # this host, new\n")
        eventually("the gateway knows both", lambda: accepted("new-token"))
        assert accepted("correct-token")
        secrets.token("new-token")
        eventually("the agent has the new one", lambda: "refresh token" in agent.log())
        arrives("work between")
        (tmp_path / "tokens").write_text("new-token # this host, new\n")
        eventually("the old one is out", lambda: not accepted("correct-token"))
        arrives("work after")
        assert "Unauthenticated" not in agent.log()


def test_a_wrong_token_is_said_and_counted_by_the_agent(tmp_path: Path, secrets: Secrets) -> None:
    # A Collector does not try again what was refused as unauthenticated (0.161): the one case in
    # which an agent lets go of what it took. So it has to say so, and be alerted on.
    secrets.token("wrong-token")
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])

    def failed() -> bool:
        text = collectors.fetch(f"http://127.0.0.1:{gateway.ports['metrics']}/metrics")
        return "otelcol_exporter_send_failed_spans_total" in text

    with collectors.running(gateway, agent):
        assert post(agent.http, traces(span("work refused"))) == 200
        eventually("the agent says so", lambda: "Unauthenticated" in agent.log())
        secrets.token("correct-token")
        eventually("the agent has the new one", lambda: agent.log().count("refresh token") >= 1)
        assert post(agent.http, traces(span("work accepted"))) == 200
        eventually("what comes after arrives", lambda: "work accepted" in names(tmp_path))
        eventually("it is counted where Prometheus sees it", failed)
    assert "work refused" not in names(tmp_path)


def test_an_agent_waits_for_its_token_instead_of_sending_without(
    tmp_path: Path, secrets: Secrets
) -> None:
    (tmp_path / "token").unlink()
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])
    with collectors.running(gateway):
        process = collectors.processes.start(
            [
                str(collectors.servers.built(collectors.servers.COLLECTOR)),
                "--config",
                str(agent.files[0]),
            ],
            agent.environment,
            tmp_path / "agent.log",
        )
        agent.process = process
        try:
            eventually("it says what it waits for", lambda: "token" in agent.log())
            assert process.runs()
            secrets.token("correct-token")
            eventually("it takes data", lambda: post(agent.http, traces(span("work"))) == 200)
            eventually("and delivers it", lambda: names(tmp_path) == ["work"])
        finally:
            agent.stop()


def test_queue_and_record_are_for_their_owner_only(tmp_path: Path, secrets: Secrets) -> None:
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])
    with collectors.running(gateway, agent):
        for directory, mode in (("agent", 0o700), ("gateway", 0o700), ("restricted", 0o700)):
            assert (tmp_path / directory).stat().st_mode & 0o777 == mode, directory
        assert (tmp_path / "record").stat().st_mode & 0o007 == 0


def test_agent_and_gateway_listen_where_they_are_told_and_nowhere_else(
    tmp_path: Path, secrets: Secrets
) -> None:
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])
    with collectors.running(gateway, agent):
        for collector in (gateway, agent):
            assert collector.process is not None
            assert listening(collector.process.pid) == {
                ("0100007F", port) for port in collector.ports.values()
            }


def listening(pid: int) -> set[tuple[str, int]]:
    """What a process listens on: address as in /proc/net/tcp, and port."""
    sockets = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found
