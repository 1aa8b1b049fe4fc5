"""Which code ran: the version of the program, and the place of a call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from types import CodeType, FrameType, FunctionType
from typing import NamedTuple

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.recording.git import work_tree
from otelprov.redaction import redact, redact_path
from otelprov.settings import Settings


class CodeVersion(NamedTuple):
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
    """What git says about ``directory``; None where there is no repository."""
    found = work_tree(directory)
    if found is None:
        return None
    return CodeVersion(
        revision=found.revision,
        branch=found.branch,
        repository=_without_credentials(found.url),
        dirty=found.dirty,
        change=found.change,
        source="git",
    )


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


class Line:
    """A line of a function: two are the same place of the program when they are one object.

    To tell code objects apart by their hash takes a microsecond, and more for long functions.
    """

    __slots__ = ("code",)

    def __init__(self, code: CodeType) -> None:
        self.code = code  # held, so that its ``id`` stays its own


_places: dict[tuple[int, int, object], tuple[CodeType, Line, Part]] = {}
_lines: dict[tuple[int, int], Line] = {}
_MAX_PLACES = 4096


def caller(frame: FrameType) -> tuple[Line, Part]:
    """The place of a call: the line, and what is said of it (function, file, line)."""
    code, module = frame.f_code, frame.f_globals.get("__name__")
    # By the instruction: to know the line takes a walk through the function's table of lines.
    key = (id(code), frame.f_lasti, module if isinstance(module, str) else None)
    found = _places.get(key)
    if found is None:
        if len(_places) >= _MAX_PLACES:  # a program that makes functions as it goes
            _places.clear()
        part = Part(_caller_attributes(frame))
        found = _places[key] = (code, _line(code, frame.f_lineno), part)  # held as well
    return found[1:]


def _line(code: CodeType, number: int) -> Line:
    """One object for each line; a call may be made by several instructions of one."""
    found = _lines.get((id(code), number))
    if found is None:
        if len(_lines) >= _MAX_PLACES:
            _lines.clear()
        found = _lines[id(code), number] = Line(code)
    return found


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


def definition(function: FunctionType) -> tuple[Line, Part]:
    """The place of a function of the user's: its first line; its name, file and first line."""
    code, module, name = function.__code__, function.__module__, function.__qualname__
    whole = name if module in (None, "__main__") else f"{module}.{name}"
    key = (id(code), -1, whole)  # no instruction
    found = _places.get(key)
    if found is None:
        if len(_places) >= _MAX_PLACES:
            _places.clear()
        part = Part(
            {
                semconv.CODE_FUNCTION: redact(whole),
                semconv.CODE_FILE: _absolute(code.co_filename),
                semconv.CODE_LINE: code.co_firstlineno,
            }
        )
        found = _places[key] = (code, _line(code, code.co_firstlineno), part)
    return found[1:]
