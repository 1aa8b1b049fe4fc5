"""A program whose gateway does not let it in: it does not notice, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import collectors
import pytest
import support
from collectors import Secrets, eventually

pytestmark = pytest.mark.servers

PROGRAM = """
import otelprov

for number in range(20):
    with otelprov.operation(f"step {number}"):
        pass
print("done")
"""


@dataclass(frozen=True)
class Refusal:
    """What is wrong with how a program sends, and what `otelprov doctor` says of it."""

    token: str | None = "correct-token"
    tls: bool = True
    expired: bool = False
    said: str = ""


WAYS = {
    "no token": Refusal(token=None, said="does not know who sends"),
    "a wrong token": Refusal(token="wrong-token", said="does not know who sends"),
    "no TLS": Refusal(tls=False, said="HTTPS"),
    "an expired certificate": Refusal(expired=True, said="certificate has expired"),
}


def sending(gateway: collectors.Collector, secrets: Secrets, how: Refusal) -> dict[str, str]:
    """The variables of a program that sends to the gateway."""
    found = {
        "OTEL_SERVICE_NAME": "refused",
        "OTEL_TRACES_EXPORTER": "otelprov",
        "OTEL_EXPORTER_OTLP_ENDPOINT": gateway.https if how.tls else gateway.http,
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(secrets.trust),
    }
    if how.token is not None:
        found["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization=Bearer {how.token}"
    return found


def otelprov(journal: Path, command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["otelprov", *command.split()],
        env=support.environment(journal, **env),
        cwd=journal.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def arrived(gateway: collectors.Collector) -> set[str]:
    return {span.span_id for span in support.journal(gateway.state / "record")}


@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_is_refused_does_not_notice_and_its_journal_keeps_everything(
    tmp_path: Path, way: str
) -> None:
    how, journal = WAYS[way], tmp_path / "journal"
    secrets = Secrets(tmp_path)
    secrets.write(expired=how.expired)
    gateway = collectors.gateway(tmp_path, secrets)
    (tmp_path / "program.py").write_text(PROGRAM)
    with collectors.running(gateway):
        env = sending(gateway, secrets, how)
        ran = support.instrumented(
            tmp_path / "program.py", journal_directory=journal, cwd=tmp_path, env=env
        )
        assert (ran.stdout, ran.stderr) == ("done\n", "")
        kept = {span.span_id for span in support.journal(journal)}
        assert len(kept) == 21  # and the run
        assert not kept & arrived(gateway)

        doctor = otelprov(journal, "doctor", env)
        (answer,) = (
            line
            for line in doctor.stdout.splitlines()
            if f"{gateway.ports['otlp_http']}/v1/traces" in line
        )
        assert how.said in answer, doctor.stdout
        assert "0 delivered" in doctor.stdout
        figures = json.loads(otelprov(journal, "doctor --format json", env).stdout)
        (traces,) = figures["delivery"]
        assert traces["answers"] is False
        assert how.said in traces["reason"]
        assert (traces["delivered"], traces["refused"], traces["rejected"]) == (0, 0, 0)
        assert traces["waiting"]["lines"] >= 21
        # Neither of them shows a token.
        assert "-token" not in doctor.stdout + json.dumps(figures)

        # When it is put right, all of it arrives, once.
        if how.expired:
            gateway.stop()
            secrets.write()
            gateway.start()
        right = sending(gateway, secrets, Refusal())
        if not how.tls:
            # Another address is another destination, which has got nothing yet either.
            assert right["OTEL_EXPORTER_OTLP_ENDPOINT"] != env["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert otelprov(journal, "ship", right).returncode == 0
        assert arrived(gateway) == kept
        assert " takes them" in otelprov(journal, "doctor", right).stdout


def test_what_an_agent_let_go_because_of_its_token_is_sent_again_from_the_journal(
    tmp_path: Path, secrets: Secrets
) -> None:
    secrets.token("wrong-token")
    gateway = collectors.gateway(tmp_path, secrets)
    agent = collectors.agent(tmp_path, secrets, gateway.ports["otlp_grpc"])
    journal = tmp_path / "journal"
    (tmp_path / "program.py").write_text(PROGRAM)
    with collectors.running(gateway, agent):
        env = {
            "OTEL_SERVICE_NAME": "refused",
            "OTEL_TRACES_EXPORTER": "otelprov",
            "OTEL_EXPORTER_OTLP_ENDPOINT": agent.http,
        }
        support.instrumented(tmp_path / "program.py", journal_directory=journal, env=env)
        eventually("the agent lets go of it", lambda: "Unauthenticated" in agent.log())
        kept = {span.span_id for span in support.journal(journal)}
        # For the agent has it taken, as far as the program can know.
        told = otelprov(journal, "doctor", env).stdout
        assert f"{len(kept)} delivered, 0 waiting" in told
        assert not kept & arrived(gateway)
        # The gateway itself is another destination: it gets all that there is.
        right = sending(gateway, secrets, Refusal())
        del right["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert otelprov(journal, f"ship --to {gateway.https}", right).returncode == 0
        assert arrived(gateway) == kept
