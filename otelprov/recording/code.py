"""Which code ran: the version of the program, and the place of a call."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, FunctionType

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.redaction import redact, redact_path
from otelprov.settings import Settings

GIT_TIMEOUT = 5.0
"""Seconds that one call of git may take; a work tree that is slower has an unknown version."""


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The version of the code, as far as it is known."""

    revision: str | None = None
    branch: str | None = None
    repository: str | None = None
    dirty: bool | None = None
    change: str | None = None
    source: str | None = None

    def attributes(self) -> dict[str, str | bool]:
        """The span attributes that say it; what is unknown is left out."""
        pairs = {
            semconv.VCS_REVISION: self.revision,
            semconv.VCS_BRANCH: self.branch,
            semconv.VCS_REPOSITORY: self.repository,
            semconv.CODE_DIRTY: self.dirty,
            semconv.CODE_CHANGE: self.change,
        }
        return {
            name: redact(value) if isinstance(value, str) else value
            for name, value in pairs.items()
            if value is not None
        }


def code_version(
    directory: str, settings: Settings, environ: Mapping[str, str] = os.environ
) -> CodeVersion:
    """The version of the code in ``directory``.

    A setting (a value from build time) wins, then git, then what the CI system says. A detached
    HEAD, as CI checkouts have it, takes the branch from the CI system.
    """
    ci = ci_version(environ)
    if settings.code_revision:
        return CodeVersion(
            revision=settings.code_revision,
            branch=settings.code_branch,
            repository=_without_credentials(settings.code_repository),
            source="setting",
        )
    git = git_version(directory)
    if git is None:
        return ci
    return CodeVersion(
        revision=git.revision,
        branch=git.branch or (ci.branch if ci.revision == git.revision else None),
        repository=git.repository or ci.repository,
        dirty=git.dirty,
        change=git.change,
        source="git",
    )


def ci_version(environ: Mapping[str, str]) -> CodeVersion:
    """The version that GitHub, GitLab or Jenkins says it checked out."""
    if environ.get("GITHUB_ACTIONS") == "true":
        server, repository = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_REPOSITORY")
        return CodeVersion(
            revision=environ.get("GITHUB_SHA") or None,
            branch=environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME") or None,
            repository=f"{server}/{repository}" if server and repository else None,
            source="github",
        )
    if environ.get("GITLAB_CI") == "true":
        return CodeVersion(
            revision=environ.get("CI_COMMIT_SHA") or None,
            branch=environ.get("CI_COMMIT_REF_NAME") or None,
            repository=_without_credentials(environ.get("CI_PROJECT_URL")),
            source="gitlab",
        )
    if environ.get("JENKINS_URL"):
        return CodeVersion(
            revision=environ.get("GIT_COMMIT") or None,
            branch=environ.get("GIT_BRANCH") or environ.get("BRANCH_NAME") or None,
            repository=_without_credentials(environ.get("GIT_URL")),
            source="jenkins",
        )
    return CodeVersion()


def ci_attributes(environ: Mapping[str, str]) -> dict[str, str]:
    """What the CI system says about its own run, for the run span."""
    if environ.get("GITHUB_ACTIONS") == "true":
        server, repository = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_REPOSITORY")
        run = environ.get("GITHUB_RUN_ID")
        url = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None
        values = (environ.get("GITHUB_WORKFLOW"), run, url)
    elif environ.get("GITLAB_CI") == "true":
        values = (
            environ.get("CI_PROJECT_PATH"),
            environ.get("CI_PIPELINE_ID"),
            environ.get("CI_PIPELINE_URL"),
        )
    elif environ.get("JENKINS_URL"):
        values = (environ.get("JOB_NAME"), environ.get("BUILD_ID"), environ.get("BUILD_URL"))
    else:
        return {}
    names = (semconv.CICD_PIPELINE_NAME, semconv.CICD_RUN_ID, semconv.CICD_RUN_URL)
    return {name: redact(value) for name, value in zip(names, values, strict=True) if value}


def git_version(directory: str) -> CodeVersion | None:
    """What git says about ``directory``; None where there is no git or no repository."""
    status = _git(directory, "status", "--porcelain=v2", "--branch", "--untracked-files=normal")
    if status is None:
        return None
    revision = branch = None
    changed = False
    untracked: list[bytes] = []
    for line in status.splitlines():
        if line.startswith(b"# branch.oid "):
            text = line.split(b" ", 2)[2].decode()
            revision = None if text == "(initial)" else text
        elif line.startswith(b"# branch.head "):
            text = line.split(b" ", 2)[2].decode("utf-8", "replace")
            branch = None if text == "(detached)" else text
        elif line.startswith(b"? "):
            # Data files beside the code are not code: of untracked files only Python counts.
            if line.endswith(b".py"):
                untracked.append(line[2:])
        elif not line.startswith(b"#"):
            changed = True
    remote = _git(directory, "config", "--get", "remote.origin.url")
    return CodeVersion(
        revision=revision,
        branch=branch,
        repository=_without_credentials(remote.decode("utf-8", "replace").strip())
        if remote
        else None,
        dirty=changed or bool(untracked),
        change=_change(directory, untracked) if changed or untracked else None,
        source="git",
    )


def _change(directory: str, untracked: list[bytes]) -> str | None:
    difference = _git(directory, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
    top = _git(directory, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    from blake3 import blake3  # not at start: most work trees are clean

    digest = blake3(difference or b"")
    for name in sorted(untracked):
        digest.update(b"\0" + name + b"\0")
        try:
            with io.FileIO(os.path.join(top.strip(), name.strip(b'"'))) as file:
                digest.update(file.read())
        except OSError:
            continue
    return digest.hexdigest()


def _git(directory: str, *arguments: str) -> bytes | None:
    import subprocess  # not at start: most programs never get here

    # GIT_OPTIONAL_LOCKS: `git status` would otherwise rewrite the user's index.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        result = subprocess.run(
            ["git", "-C", directory, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout if result.returncode == 0 else None


def _without_credentials(url: str | None) -> str | None:
    if not url:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url  # git@host:path names a login, not a secret
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


@lru_cache(maxsize=4096)
def _absolute(path: str) -> str:
    return path if path.startswith("<") else redact_path(os.path.abspath(path))


_places: dict[tuple[int, int, object], tuple[CodeType, Part]] = {}
_MAX_PLACES = 4096


def caller(frame: FrameType) -> Part:
    """The place of a call: function, file and line of ``frame``."""
    code, module = frame.f_code, frame.f_globals.get("__name__")
    # By the instruction: to know the line takes a walk through the function's table of lines.
    key = (id(code), frame.f_lasti, module if isinstance(module, str) else None)
    found = _places.get(key)
    if found is None:
        if len(_places) >= _MAX_PLACES:  # a program that makes functions as it goes
            _places.clear()
        found = _places[key] = (code, Part(_caller_attributes(frame)))  # held, so the id stays its
    return found[1]


def _caller_attributes(frame: FrameType) -> dict[str, str | int]:
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)  # co_qualname: Python 3.11
    module = frame.f_globals.get("__name__")
    if isinstance(module, str) and module != "__main__":
        name = f"{module}.{name}"
    return {
        semconv.CODE_FUNCTION: redact(name),
        semconv.CODE_FILE: _absolute(code.co_filename),
        semconv.CODE_LINE: frame.f_lineno,
    }


def definition(function: FunctionType) -> Part:
    """The place of a function of the user's: its name, file and first line."""
    code = function.__code__
    module = function.__module__
    name = redact(function.__qualname__)
    return Part(
        {
            semconv.CODE_FUNCTION: name if module in (None, "__main__") else f"{module}.{name}",
            semconv.CODE_FILE: _absolute(code.co_filename),
            semconv.CODE_LINE: code.co_firstlineno,
        }
    )
