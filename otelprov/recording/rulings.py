"""The rules of the policy as they hold for an operation, its parameters and its artifacts.

Where there are no rules nothing here is asked (``Policy.of`` is None). What cannot be hashed, for
want of a key, is masked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.redaction import REDACTED
from otelprov.rules import Rule
from otelprov.statements import later

if TYPE_CHECKING:
    from otelprov.recording.parameters import Shown

MAX_PLACE: Final = 4096
"""Characters of a text that may be a path."""
_WORD: Final = later(r"[^\s'\"`()<>,;\[\]{}|]+")

Attributes = Mapping[str, Any]


class Policy:
    """The rules in force, and the key."""

    def __init__(self, rules: Sequence[Rule], key: bytes | None) -> None:
        self.rules = tuple(rules)
        self.key = key
        self._places = tuple(
            rule
            for rule in rules
            if rule.artifact and not rule.parameter and (rule.mask or rule.hash or rule.drop)
        )
        self._known: dict[str, Ruling | None] = {}

    def of(self, operation: str) -> Ruling | None:
        """What holds for operations of this name; None if nothing does."""
        if not self.rules:
            return None
        if operation not in self._known:
            if len(self._known) >= 4096:
                self._known.clear()
            rules = [one for one in self.rules if _matches(one.operation, operation)]
            self._known[operation] = Ruling(self, rules) if rules else None
        return self._known[operation]

    def hidden(self, rule: Rule, value: object, digest: bytes | None = None) -> str:
        """What stands for a value: its keyed hash, or that there was one."""
        if not rule.hash or self.key is None:
            return REDACTED
        import hmac  # not at start

        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else digest
        if data is None:
            return REDACTED
        return f"hmac-sha256:{hmac.new(self.key, data, 'sha256').hexdigest()}"

    def text(self, text: str) -> str:
        """A free text, with the places in it that rules hide replaced."""
        if not self._places:
            return text
        return _WORD.sub(lambda match: self._word(match[0], self._places), text)

    def _word(self, word: str, rules: Sequence[Rule]) -> str:
        bare = word.rstrip(".:")
        option, equals, value = bare.partition("=")
        for rule in rules:
            if _names(rule, bare):
                return self.hidden(rule, bare) + word[len(bare) :]
            if equals and _names(rule, value):
                return f"{option}={self.hidden(rule, value)}{word[len(bare) :]}"
        return word


class Ruling:
    """What holds for the operations of one name."""

    def __init__(self, policy: Policy, rules: Sequence[Rule]) -> None:
        alone = [one for one in rules if not one.artifact and not one.parameter]
        self.policy = policy
        self.exclude = any(one.exclude for one in alone)
        self.sensitive = any(one.sensitive for one in alone)
        self.tier = next((one.tier for one in reversed(alone) if one.tier), None)
        self.tiers = any(one.tier and one.artifact for one in rules)
        """Whether the tier depends on what is used."""
        self._artifacts = [one for one in rules if one.artifact and not one.parameter]
        self._parameters = [
            one for one in rules if not one.artifact and (one.parameter or one.mask or one.hash)
        ]
        self._both = [one for one in rules if one.artifact and one.parameter]

    # --- parameters ---

    def parameters(
        self, shown: Shown, values: Mapping[str, object]
    ) -> tuple[Shown, dict[str, tuple[Any, list[Rule]]], bool]:
        """Parameters as they may be shown; those that wait for what is used; if one is sensitive.

        Nothing that is hidden is a part of an id, by which it could be guessed: a value that
        stands for it within this process is.
        """
        attributes: dict[str, Any] = {}
        for part in shown.parts:
            attributes.update(part.attributes)
        digests, hidden = dict(shown.digests), set()
        waiting: dict[str, tuple[Any, list[Rule]]] = {}
        sensitive, dropped = False, 0
        for name in digests:
            key = semconv.PARAMETER_PREFIX + name
            value = values.get(name)
            both = [one for one in self._both if _matches(one.parameter, name)]
            rules = [one for one in self._parameters if _matches(one.parameter, name)]
            rules += [one for one in self._artifacts if _is_place(one, value)]
            sensitive = sensitive or any(one.sensitive for one in rules)
            rule = _strongest(rules)
            if rule is not None:
                hidden.add(name)
                dropped += self._hide(attributes, key, rule, value, digests[name])
                digests[name] = _stand_in(digests[name])
            elif both and key in attributes:
                hidden.add(name)
                waiting[name] = (attributes.pop(key), both)
        if not hidden:
            return shown, {}, sensitive
        if dropped:
            before = attributes.get(semconv.DROPPED_PARAMETERS, 0)
            attributes[semconv.DROPPED_PARAMETERS] = before + dropped
        containers = tuple(one for one in shown.containers if one[0] not in hidden)
        parts = (Part(attributes),)
        return replace(
            shown, parts=parts, digests=tuple(digests.items()), containers=containers
        ), waiting, sensitive  # fmt: skip

    def _hide(
        self, attributes: dict[str, Any], key: str, rule: Rule, value: object, digest: bytes | None
    ) -> int:
        if key not in attributes:
            return 0
        if rule.drop:
            del attributes[key]
            return 1
        attributes[key] = self.policy.hidden(rule, value, digest)
        return 0

    def settled(
        self,
        waiting: Mapping[str, tuple[Any, list[Rule]]],
        places: Sequence[tuple[str | None, str | None]],
    ) -> tuple[dict[str, Any], bool]:
        """The parameters that waited, now that the artifacts are known: names and URIs."""
        attributes: dict[str, Any] = {}
        sensitive, dropped = False, 0
        for name, (text, rules) in waiting.items():
            held = [one for one in rules if any(_of(one, *place) for place in places)]
            sensitive = sensitive or any(one.sensitive for one in held)
            rule = _strongest(held)
            key = semconv.PARAMETER_PREFIX + name
            attributes[key] = text
            if rule is not None:
                dropped += self._hide(attributes, key, rule, str(text), None)
        if dropped:
            attributes[semconv.DROPPED_PARAMETERS] = dropped
        return attributes, sensitive

    # --- artifacts ---

    def marks(self, name: str | None, uri: str | None) -> bool:
        """Whether an artifact of this name and URI is sensitive."""
        return any(one.sensitive and _of(one, name, uri) for one in self._artifacts)

    def tier_of(self, places: Sequence[tuple[str | None, str | None]]) -> str | None:
        """The tier, if rules say one for what is used."""
        for rule in reversed(self._artifacts):
            if rule.tier and any(_of(rule, *place) for place in places):
                return rule.tier
        return self.tier

    def artifact(self, attributes: Attributes) -> dict[str, Any] | None:
        """The attributes of an event as they may be; None where it is left out."""
        name = attributes.get(semconv.ARTIFACT_NAME)
        uri = attributes.get(semconv.ARTIFACT_URI)
        rules = [one for one in self._artifacts if _of(one, name, uri)]
        found = dict(attributes)
        if any(one.sensitive for one in rules):
            found[semconv.SENSITIVE] = True
        rule = _strongest(rules)
        if rule is None:
            return found
        if rule.drop:
            return None
        for key in (semconv.ARTIFACT_NAME, semconv.ARTIFACT_URI):
            if key in found:
                found[key] = self.policy.hidden(rule, found[key])
        return found


def _strongest(rules: Sequence[Rule]) -> Rule | None:
    """Drop before mask before hash: of several rules the one that shows least."""
    for hides in ("drop", "mask", "hash"):
        for rule in rules:
            if getattr(rule, hides):
                return rule
    return None


def _matches(pattern: re.Pattern[str] | None, text: str) -> bool:
    return pattern is None or pattern.match(text) is not None


def _of(rule: Rule, name: str | None, uri: str | None) -> bool:
    """Whether a rule is about an artifact: by name, by URI, or by path."""
    pattern = rule.artifact
    assert pattern is not None
    texts = [name, uri]
    if uri and uri.startswith("file://"):
        texts.append(unquote(uri[7:]))
    return any(text and pattern.match(text) for text in texts)


def _is_place(rule: Rule, value: object) -> bool:
    if not rule.artifact or not (rule.hides or rule.sensitive):
        return False
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return isinstance(value, str) and len(value) <= MAX_PLACE and _names(rule, value)


def _names(rule: Rule, text: str) -> bool:
    """Whether a text names an artifact that a rule is about: as a path, relative too, or a URI."""
    pattern = rule.artifact
    if pattern is None or "\n" in text:
        return False
    return any(
        pattern.match(one)
        for one in (text, os.path.basename(text), f"/{text}", f"file:///{text.lstrip('/')}")
    )


_OF_THIS_PROCESS: Final = os.urandom(32)


def _stand_in(digest: bytes | None) -> bytes | None:
    """Equal for equal values as long as the process lives, and nothing that could be tried out."""
    if digest is None:
        return None
    from blake3 import blake3

    return blake3(digest, key=_OF_THIS_PROCESS).digest()
