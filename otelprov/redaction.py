"""What a secret looks like: by the name that it stands under, by its form, by where it stands.

Pure functions on texts, for whatever is written or sent. Each is idempotent, raises nothing, and
takes time in proportion to the length of the text: patterns begin with what they look for, and what
needs more than that is done by hand, character by character (tests/unit/test_redaction.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

from otelprov import semconv
from otelprov.statements import later, mask_literals

REDACTED: Final = "[REDACTED]"
MIN_VALUE: Final = 8
"""Characters of a secret in the environment that is looked for in every text."""

# --- names ---------------------------------------------------------------------------------------

_SECRET_NAME: Final = later(
    r"""
      passw(?:or)?d | passphrase | passwort | (?:^|[^a-z])(?:pwd|passwd|pw|pass)(?![a-z])
    | secret(?!ar) | credential | cookie | (?:^|[^a-z])jwt(?![a-z])
    | token(?!i[zs]|s?[_-]?(?:count|limit|length|len|type|budget|usage|number|size|per))
    | (?:api|access|private|account|signing|encryption|encrypt|master|shared|sharedaccess|storage
        |service|client|license|ssh|hmac|sas|subscription|function|webhook)[_-]?key(?![a-rt-z])
    | authorization$ | (?:^|[_-])auth$ | auth[_-]?header | (?:^|[^a-z])bearer$
    | conn(?:ection)?[_-]?str(?:ing)?(?![a-z]) | j?sess(?:ion)?[_-]?(?:id|key|token)$ | sessid$
    | (?:^|[_.-])(?:otp|totp)$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_IN_SECRET_NAMES: Final = (
    "pass", "pw", "secret", "credential", "cookie", "jwt", "token", "auth", "bearer", "conn",
    "sess", "otp",
)  # fmt: skip
# Numbers of tokens of a language model, most of all.
_HARMLESS_NAME: Final = later(
    r"(?:max|min|num|n|total|prompt|completion|input|output|new)[_-]?tokens?$|^pass(?:es)?[_-]?\d*$",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret."""
    if len(name) > 256:
        name = name[-256:]
    lowered = name.lower()
    # Only what has one of these in it can match, and to compile the pattern takes a millisecond.
    if not _has_any(lowered, _IN_SECRET_NAMES) and lowered.find("key", 3) < 0 and name.isascii():
        return False
    return _SECRET_NAME.search(name) is not None and (
        lowered == "pass" or _HARMLESS_NAME.search(name) is None
    )


_IN_A_URL: Final = later(
    r"sig|signature|code|key|x-(?:amz|goog|oss|cos|ms)-(?:signature|credential|security-token)"
    r"|awsaccesskeyid|googleaccessid|ossaccesskeyid",
    re.IGNORECASE,
)
_ANYWHERE: Final = later(
    r"sig|signature|x-(?:amz|goog|oss|cos|ms)-(?:signature|credential|security-token)"
    r"|awsaccesskeyid|googleaccessid|ossaccesskeyid|uid_pwd",
    re.IGNORECASE,
)
_HEADER: Final = later(r"authorization$|cookie$", re.IGNORECASE)

# --- texts ---------------------------------------------------------------------------------------

_FORMS: Final = later(
    r"""
      (?<![A-Za-z0-9])(?:
        eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}         # JSON Web Token
      | (?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}                   # AWS
      | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,}
      | gl(?:pat|dt|rt|ptt|soat|agent)-[A-Za-z0-9_-]{16,}
      | xox[abeprs]-[A-Za-z0-9-]{10,} | xapp-[A-Za-z0-9-]{10,}
      | sk-[A-Za-z0-9_-]{20,} | [srp]k_(?:live|test)_[A-Za-z0-9]{10,} | whsec_[A-Za-z0-9+/=]{20,}
      | AIza[0-9A-Za-z_-]{35} | ya29\.[A-Za-z0-9_-]{20,} | GOCSPX-[A-Za-z0-9_-]{20,}
      | npm_[A-Za-z0-9]{30,} | pypi-[A-Za-z0-9_-]{30,} | hf_[A-Za-z0-9]{30,}
      | dckr_pat_[A-Za-z0-9_-]{20,} | dop_v1_[a-f0-9]{40,} | dapi[a-f0-9]{32}
      | hv[sbr]\.[A-Za-z0-9_-]{20,} | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
      )
    | hooks\.slack\.com/services/[A-Za-z0-9/]{20,}
    | -----BEGIN\ [A-Z0-9\ ]{0,40}PRIVATE\ KEY[A-Z\ ]{0,12}-----
      .*?(?:-----END\ [A-Z0-9\ ]{0,40}-----|$(?![\n]))
    """,
    re.VERBOSE | re.DOTALL,
)
_SCHEMED: Final = later(
    r"(?<![A-Za-z])(bearer|basic|digest|negotiate)(\s{1,8})([A-Za-z0-9._~+/=-]{8,})", re.I
)
_QUOTED_PASSWORD: Final = later(
    r"\b(identified\s{1,8}(?:with\s{1,8}\w{1,40}\s{1,8})?by|password|pwd|passcode)"
    r"(\s{1,8})('[^']*'?|\"[^\"]*\"?)",
    re.IGNORECASE,
)
_URL: Final = later(r"://[^\s'\"<>`\\]+")
# The whole run of a name's characters at once, so that a long one is looked at once.
_NAME: Final = later(
    r"(?<![\w.\-])([\w.\-]+)"
    r"([\"'`\]\\]{0,4}\s{0,8}(?:=>|:=|==|[=:]|%3[ADad])\s{0,8})"
)
_OPTION: Final = later(
    r"(?<![^\s'\"])(--?[A-Za-z][\w-]{0,60})(['\"]?,?\s{1,8}['\"]?)(?![\s-])([^\s'\"]+)"
)
# What a text must hold for a pattern to match it. Most hold none of it, in particular those that
# every recorded process has to look at when it starts: the patterns take 20 ms to compile.
_IN_FORMS: Final = (
    "eyJ", "AKIA", "ASIA", "ABIA", "ACCA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "gldt-", "glrt-", "glptt-", "glsoat-", "glagent-", "xox", "xapp-", "sk-", "k_live_",
    "k_test_", "whsec_", "AIza", "ya29.", "GOCSPX-", "npm_", "pypi-", "hf_", "dckr_pat_",
    "dop_v1_", "dapi", "hvs.", "hvb.", "hvr.", "SG.", "hooks.slack.com", "-----BEGIN",
)  # fmt: skip
_IN_NAMES: Final = (*_IN_SECRET_NAMES, "key", "sig", "code", "accessid")
_SCHEMES: Final = ("bearer", "basic", "digest", "negotiate")
_PASSWORDS: Final = ("identified", "password", "pwd", "passcode")
_QUOTED: Final = {quote_: later(rf"{quote_}(?:[^{quote_}\\]|\\.)*", re.DOTALL) for quote_ in "\"'`"}
_ENCODED: Final = later(r"(?:[^\s&;'\"%]|%(?!3[Bb]|26))*")
_TO_SEMICOLON: Final = later(r"[^;\r\n'\"]*(?=;)")
_UNQUOTED: Final = later(
    r"(?:[^\s&;,'\"<>(){}\[\]]|,(?!\s|$|[\w.'\"-]{1,64}\s*[=:])|['\"](?![\s,)\]}:;&>]|$)"
    r"|[<>(){}\[\]](?=\w))*"
)
_NOTHING: Final = later(
    r"(?:none|null|true|false|undefined|\*+|%s|%\(\w+\)s|\?|\$\{?\w+\}?|\{\w*\}|\.{3}|…)?", re.I
)
_CLOSING: Final = {"{": "}", "[": "]", "(": ")"}


def redact(text: str) -> str:
    """``text`` with everything that looks like a secret replaced."""
    known = _environment()
    if known is not None and known.search(text):
        text = known.sub(REDACTED, text)
    if "://" in text:
        text = _URL.sub(_without_user, text)
    lowered, other = text.lower(), not text.isascii()
    if ("=" in text or ":" in text or "%" in text) and (other or _has_any(lowered, _IN_NAMES)):
        text = _without_values(text)
        lowered = text.lower()
    if len(text.split(None, 1)) > 1:  # a space with something on both sides
        if other or _has_any(lowered, _PASSWORDS):
            text = _QUOTED_PASSWORD.sub(_keep_quotes, text)
        if "-" in text and (other or _has_any(lowered, _IN_NAMES)):
            text = _OPTION.sub(_option, text)
        if other or _has_any(lowered, _SCHEMES):
            text = _SCHEMED.sub(_scheme, text)
    return _FORMS.sub(REDACTED, text) if _has_any(text, _IN_FORMS) else text


def _has_any(text: str, parts: tuple[str, ...]) -> bool:
    """Whether one of ``parts`` is in a text; to ask that of a pattern in any case (a long s is an
    s), the text has to be in ASCII and small letters."""
    return any(map(text.__contains__, parts))


class _Again:
    """A redaction of what comes again and again: names, and URIs of tables and files."""

    def __init__(self, redaction: Callable[[str], str]) -> None:
        self._redaction = redaction
        self._found: dict[str, tuple[re.Pattern[str] | None, str]] = {}

    def __call__(self, text: str) -> str:
        known = _environment()
        found = self._found.get(text)
        if found is None or found[0] is not known:
            if len(self._found) >= 1024:
                self._found.clear()
            found = self._found[text] = (known, self._redaction(text))
        return found[1]


redact_again: Final = _Again(redact)
"""``redact``, for one of a program's names."""


def _keep_quotes(match: re.Match[str]) -> str:
    mark = match[3][0]
    return f"{match[1]}{match[2]}{mark}{REDACTED}{mark}"


def _option(match: re.Match[str]) -> str:
    if not is_secret_name(match[1].lstrip("-")) or _NOTHING.fullmatch(match[3]):
        return match[0]
    return f"{match[1]}{match[2]}{REDACTED}"


def _scheme(match: re.Match[str]) -> str:
    word = match[3]
    # "basic understanding" is none: a token has digits, or capitals in the middle.
    if any(c in "0123456789=/+" for c in word) or any(map(str.isupper, word[1:])):
        return f"{match[1]}{match[2]}{REDACTED}"
    return match[0]


def _without_user(match: re.Match[str]) -> str:
    """``://user:password@host`` and ``://token@host``, also where URLs stand in each other."""
    return "://".join(map(_authority, match[0].split("://")))


def _authority(rest: str) -> str:
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority = rest[:end]
    if "@" in authority:
        return f"{REDACTED}{rest[authority.rindex('@') :]}"
    host, colon, port = authority.partition(":")
    # A password with an unescaped / ? or #: what should be a port is not a number.
    if "@" in rest and colon and not port.isdecimal() and "[" not in host:
        return f"{REDACTED}{rest[rest.rindex('@') :]}"
    return rest


def _without_values(text: str) -> str:
    """``name=value`` and ``name: value``, where the name is that of a secret."""
    parts: list[str] = []
    done = 0
    for match in _NAME.finditer(text):
        start = match.start()
        if start < done:
            continue
        name = match[1]
        before = text[start - 1] if start else ""
        if before == "%" and len(name) > 2:
            name = name[2:]  # %3BPWD: a separator that is escaped stands before the name
        if not is_secret_name(name) and not (
            _IN_A_URL.fullmatch(name) if before in "?&" and before else _ANYWHERE.fullmatch(name)
        ):
            continue
        begin = match.end()
        end, shown = _value(text, begin, name, match[2], start)
        if end == begin:
            continue
        parts += (text[done:begin], shown)
        done = end
    if not parts:
        return text
    parts.append(text[done:])
    return "".join(parts)


def _value(text: str, begin: int, name: str, sign: str, start: int) -> tuple[int, str]:
    """Where a secret value ends, and what is written in its place."""
    if text.startswith(REDACTED, begin):
        return begin + len(REDACTED), REDACTED
    if "%" in sign:
        found = _ENCODED.match(text, begin)
        return (found.end() if found else begin), REDACTED
    mark = text[begin : begin + 1]
    if mark in _QUOTED and mark:
        inside = _QUOTED[mark].match(text, begin)
        end = inside.end() if inside else begin + 1
        if _NOTHING.fullmatch(text, begin + 1, end):
            return begin, ""
        closed = text.startswith(mark, end)
        return end + closed, mark + REDACTED + (mark if closed else "")
    if mark in _CLOSING and mark:
        return _closed(text, begin), REDACTED
    if _HEADER.search(name) and ":" in sign:
        before = text[start - 1 : start]
        stops = "\r\n" + (before if before in ("'", '"') else "")
        end = min((at for at in (text.find(c, begin) for c in stops) if at >= 0), default=len(text))
        return end, REDACTED
    previous = text[:start].rstrip()[-1:] if start and start <= begin else ""
    if "=" in sign and previous in ("", ";", '"', "'", "{"):
        # In a connection string a value goes on to the semicolon, spaces and all.
        found = _TO_SEMICOLON.match(text, begin)
        if found is not None and found.end() > begin and "=" in text[found.end() :][:80]:
            return found.end(), REDACTED
    found = _UNQUOTED.match(text, begin)
    end = found.end() if found else begin
    if text[begin:end].lower() in ("bearer", "basic", "digest", "negotiate", "token"):
        more = _UNQUOTED.match(text, end + 1)
        end = more.end() if more and more.end() > end + 1 else end
    if _NOTHING.fullmatch(text, begin, end) or (
        name.lower().endswith("tokens") and text[begin:end].isdecimal()  # how many there are
    ):
        return begin, ""
    return end, REDACTED


def _closed(text: str, begin: int) -> int:
    """The end of what stands in brackets; ODBC doubles a closing one that is meant."""
    opening, closing = text[begin], _CLOSING[text[begin]]
    depth = 0
    for at in range(begin, len(text)):
        character = text[at]
        if character == opening:
            depth += 1
        elif character == closing:
            depth -= 1
            if depth <= 0 and (at + 1 >= len(text) or text[at + 1] in " \t\r\n,;)]>'\"&"):
                return at + 1
    return len(text)


# --- values of the environment -------------------------------------------------------------------

_seen = -1
_known: re.Pattern[str] | None = None


def _environment() -> re.Pattern[str] | None:
    """The values of secret variables: a secret is one wherever it stands."""
    global _seen, _known
    number = len(os.environ)
    if number != _seen:
        # A program may read more of them from a file when it has begun.
        _seen, _known = number, values_of(os.environ)
    return _known


def values_of(environ: Mapping[str, str]) -> re.Pattern[str] | None:
    """Looks for the values of variables whose names are those of secrets; None without one.

    What is short, a path, a number or one plain word is no secret that could be told from others.
    """
    values = {
        value
        for name, value in tuple(environ.items())
        if len(value) >= MIN_VALUE and not value.startswith(("/", "~")) and is_secret_name(name)
    }
    values = {
        one for one in values if not one.isdecimal() and not (one.isalpha() and one.islower())
    }
    if not values:
        return None
    return re.compile("|".join(map(re.escape, sorted(values, key=len, reverse=True))))


# --- paths, commands, attributes -----------------------------------------------------------------


def redact_path(path: str) -> str:
    """A path with each of its parts redacted by itself: what follows a secret stays."""
    return "/".join(map(redact, path.split("/")))


def _redact_uri(uri: str) -> str:
    if not uri.startswith("file://"):
        return redact(uri)
    parts = uri[7:].split("/")
    for number, part in enumerate(parts):
        plain = unquote(part)
        clean = redact(plain)
        if clean != plain:
            parts[number] = quote(clean, safe="[]")
    return "file://" + "/".join(parts)


redact_uri: Final = _Again(_redact_uri)
"""A URI; of ``file://`` each part of the path, in which everything special is escaped."""


_ATTACHED: Final = later(r"-p(?!\d+$)(?![a-z]+(?:[-=]|$))(.+)")
_LOGIN: Final = later(r"(?!https?:)([^\s:/=]{1,64}):(?!\d+$)(\S+)")


def redact_command(arguments: Sequence[str]) -> list[str]:
    """A command line with the values of secret options replaced, whatever way they are given.

    ``--password x``, ``--password=x``, ``-pX`` (unless it is a number or a plain word),
    ``-u name:x`` and ``PASSWORD=x``.
    """
    result: list[str] = []
    before = ""
    for argument in arguments:
        option, before = before, ""
        if option in ("-u", "--user", "--proxy-user") and (login := _LOGIN.fullmatch(argument)):
            result.append(f"{login[1]}:{REDACTED}")
        elif option and is_secret_name(option.lstrip("-")) and not argument.startswith("--"):
            result.append(REDACTED)
        elif argument.startswith("-"):
            name, equals, _ = argument.partition("=")
            if equals and is_secret_name(name.lstrip("-")):
                result.append(f"{name}={REDACTED}")
            elif argument.startswith("-p") and _ATTACHED.fullmatch(argument):
                result.append(f"-p{REDACTED}")
            else:
                before = "" if equals else argument
                result.append(redact(argument))
        else:
            result.append(redact(argument))
    return result


def clean(value: Any, name: str = "") -> Any:
    """An attribute's value, or anything that is made of dicts, lists and texts, redacted."""
    if (
        name
        and is_secret_name(name)
        and value is not None
        and type(value) not in (bool, int, float)
    ):
        return REDACTED
    if isinstance(value, str):
        statement = name in _STATEMENTS
        return redact(_masked(value) if statement else value)
    if isinstance(value, Mapping):
        return {key: clean(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if any(isinstance(item, str) and item.startswith("-") for item in value) and all(
            isinstance(item, str) for item in value
        ):
            return redact_command(value)
        return [clean(item, name) for item in value]
    return value


_STATEMENTS: Final = frozenset({"db.statement", semconv.DB_QUERY_TEXT})


def _masked(statement: str) -> str:
    return mask_literals(statement)


def clean_message(message: Any) -> Any:
    """A message of OTLP/JSON (an attribute is ``{"key": …, "value": …}``), redacted in place."""
    if isinstance(message, list):
        for item in message:
            clean_message(item)
    elif isinstance(message, dict):
        key = message.get("key")
        if isinstance(key, str) and "value" in message:
            message["value"] = _clean_value(message["value"], key)
            return message
        for name, item in message.items():
            if isinstance(item, str):
                if name not in _PLAIN:
                    message[name] = redact(item)
            else:
                clean_message(item)
    return message


_PLAIN: Final = frozenset(
    "traceId spanId parentSpanId timeUnixNano startTimeUnixNano endTimeUnixNano severityText "
    "observedTimeUnixNano eventName intValue bytesValue".split()
)


def _clean_value(value: dict[str, Any], key: str) -> dict[str, Any]:
    text = value.get("stringValue")
    if isinstance(text, str):
        return {"stringValue": clean(text, key)}
    if is_secret_name(key) and ("arrayValue" in value or "kvlistValue" in value):
        return {"stringValue": REDACTED}
    clean_message(value)
    return value
