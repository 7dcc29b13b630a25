"""A name on a document against one that was typed in as a single string."""

from __future__ import annotations

import re

from flows.extraction.checks.check import Status
from flows.extraction.checks.names import letters, same_name, without_generation

_LONG = 5
"""Letters; in a shorter word one slip makes another name."""
_TELLING = 3
"""Letters; DE and LA are part of too many names to say anything."""
_TITLES = frozenset(("MR", "MRS", "MS", "MISS", "MX", "DR", "JR", "SR", "II", "III", "IV"))
_LONGEST_RUN = 6
"""Words that are tried as one name."""

Words = list[tuple[int, str]]
"""Each with its place in the name, so that a word that comes twice is not taken for one."""


def words_of(name: str) -> Words:
    """The words of a name, without apostrophes, titles, generations and what is not in Latin letters."""
    found = re.findall(r"[^\W\d_]+", re.sub(r"['\N{RIGHT SINGLE QUOTATION MARK}`]", "", name))
    return [(at, word) for at, word in enumerate(found) if letters(word) and letters(word) not in _TITLES]


def compared(registered: str, *, family: str, first: str, middle: str) -> tuple[Status, Status]:
    """How well family name and given names of a document are found in a registered name: pass, warn or fail.

    The rules are those of `application.name_matches_application`.
    """
    words = words_of(registered)
    family_status, rest = _found(without_generation(family), words)
    given_status, left = _found_given(first, middle, rest)
    if family_status is Status.PASS and _ends_in_another_family_name(words, rest, left):
        family_status = Status.WARN
    return family_status, given_status


def _ends_in_another_family_name(words: Words, rest: Words, left: Words) -> bool:
    """Whether the last word was found nowhere: part of a family name, unless the family name came first."""
    return words[-1] in left and len(words[-1][1]) > 1 and words[0] in rest


def _found_given(first: str, middle: str, words: Words) -> tuple[Status, Words]:
    """The status, and the words that are neither the first nor a middle name."""
    status, rest = _found(first, words)
    others = words_of(middle)
    if status is not Status.PASS and len(words_of(first)) > 1:
        # ANNA MARIE may be registered as Anna: what follows the first word is as good as a middle name.
        (_, first), *following = words_of(first)
        status, rest = _found(first, words)
        others = following + others
    left, unseen = _paired(rest, others, initials=True)
    if status is Status.FAIL:
        initial, _ = _paired(left, words_of(first), initials=True)
        return (Status.WARN if len(initial) < len(rest) else Status.FAIL), initial
    return (Status.WARN if left and unseen else status), left


def _found(name: str, words: Words) -> tuple[Status, Words]:
    """How well a name is spelt by some of the words, and the words that are left without them."""
    runs = [words[at : at + length] for length in range(1, _LONGEST_RUN + 1) for at in range(len(words))]
    spelt = [(same_name("".join(word for _, word in run), name), run) for run in runs]
    for status, run in sorted(spelt, key=lambda pair: pair[0] is not Status.PASS):
        if status is Status.PASS or (status is Status.WARN and len(letters(name)) >= _LONG):
            return status, [word for word in words if word not in run]
    left, unseen = _paired(words, words_of(name))
    if not unseen:
        return Status.PASS, left
    seen = [word for place, word in words_of(name) if (place, word) not in unseen]
    return (Status.WARN, left) if any(len(word) >= _TELLING for word in seen) else (Status.FAIL, words)


def _paired(words: Words, others: Words, *, initials: bool = False) -> tuple[Words, Words]:
    """What is left on both sides once equal words are taken out, and with `initials` one-letter words with
    what they may stand for."""
    left, unseen = list(words), []
    for other in others:
        pair = next((word for word in left if _alike(word[1], other[1], initials=initials)), None)
        if pair is None:
            unseen.append(other)
        else:
            left.remove(pair)
    return left, unseen


def _alike(one: str, other: str, *, initials: bool) -> bool:
    if initials and 1 in {len(one), len(other)}:
        return letters(one)[:1] == letters(other)[:1]
    return same_name(one, other) is Status.PASS
