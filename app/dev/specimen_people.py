"""People who do not exist, for specimens: the same seed and day always give the same person.

Their jurisdictions do not exist either: codes are ISO 3166 user-assigned (X…), ZIP codes are unassigned
(000…), postal codes begin with a letter Canada Post never uses (Z), and issuer numbers belong to nobody
(999…).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, get_args

from app.dev import specimen_pools as pools

Kind = Literal["valid", "expired", "under_age"]
Alteration = Literal["birth date", "surname", "number"]
ALTERATIONS: tuple[Alteration, ...] = get_args(Alteration)
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Jurisdiction:
    """An issuer that does not exist. `number_pattern`: A is a letter, 9 a digit, all else printed as it is.

    A metric one is arranged as Canada's are: centimetres, postal codes, and year-first dates in the barcode.
    """

    code: str
    name: str
    issuer: str
    number_pattern: str
    tint: Colour
    metric: bool = False


JURISDICTIONS = (
    Jurisdiction("XS", "STATE OF SAMPLE", "999001", "A9999999", (58, 84, 140)),
    Jurisdiction("XU", "STATE OF UTOPIA", "999002", "999999999", (40, 110, 104)),
    Jurisdiction("XN", "STATE OF NOWHERE", "999003", "AA999999", (112, 66, 110)),
    Jurisdiction("XD", "NORTH DUMMYLAND", "999004", "A999-9999-9999", (150, 86, 40)),
    Jurisdiction("XE", "EXEMPLARIA", "999005", "999 999 999", (34, 92, 60)),
    Jurisdiction("XF", "COMMONWEALTH OF FICTION", "999006", "A99-99-9999", (120, 30, 44)),
    Jurisdiction("XM", "NEW MOCKINGTON", "999007", "99999999", (20, 60, 120)),
    Jurisdiction("XP", "PLACEHOLDER", "999008", "A9999-99999-99999", (84, 84, 96)),
    Jurisdiction("XW", "WEST SPECIMIA", "999009", "AAA99A999A99", (66, 100, 30)),
    Jurisdiction("XA", "XANADU", "999010", "A9999-99999-99999", (160, 40, 40), metric=True),
    Jurisdiction("XB", "BRITISH NOWHERE", "999011", "9999999", (30, 80, 130), metric=True),
)


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist, and what their card says. `height` is in inches, `weight` in pounds."""

    seed: int
    jurisdiction: Jurisdiction
    number: str
    last: str
    first: str
    middle: str
    suffix: str
    born: date
    issued: date
    expires: date
    street: str
    unit: str
    city: str
    zip_code: str
    sex: Literal["M", "F", "X"]
    height: int
    weight: int
    eyes: str
    hair: str
    vehicle_class: str
    restrictions: str
    endorsements: str
    discriminator: str
    identification: bool
    """An identification card: no class, and nothing to drive with."""

    @property
    def address(self) -> str:
        return f"{self.street} {self.unit}".strip()

    @property
    def printed_height(self) -> str:
        """As AAMVA's barcode has it, less its zeros: `67 in` or `170 cm`."""
        return f"{round(self.height * 2.54)} cm" if self.jurisdiction.metric else f"{self.height} in"


def filled(pattern: str, rng: random.Random) -> str:
    """Letters for A (without I, O and Q, which issuers avoid), digits for 9."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    return "".join(
        rng.choice(letters) if c == "A" else str(rng.randrange(10)) if c == "9" else c for c in pattern
    )


def person(seed: int, today: date, kind: Kind = "valid") -> Person:
    """The person of this seed. An `expired` card ran out before `today`; an `under_age` holder is 17."""
    rng = random.Random(seed)
    jurisdiction = rng.choice(JURISDICTIONS)
    born = date(rng.randint(1935, today.year - 21), rng.randint(1, 12), rng.randint(1, 28))
    if kind == "under_age":
        born = date(today.year - 17, 1, 1)
    issued = today - timedelta(days=rng.randint(30, 1_000 if kind == "valid" else 300))
    if kind == "expired":
        issued = issued.replace(year=issued.year - 9, day=min(issued.day, 28))
    identification = rng.random() < 0.2
    return Person(
        seed=seed,
        jurisdiction=jurisdiction,
        number="".join(filter(str.isalnum, filled(jurisdiction.number_pattern, rng))),
        last=rng.choice(pools.LAST),
        first=rng.choice(pools.FIRST),
        middle=rng.choice(pools.MIDDLE) if rng.random() < 0.75 else "",
        suffix=rng.choice(pools.SUFFIX) if rng.random() < 0.12 else "",
        born=born,
        issued=issued,
        expires=date(issued.year + 8, born.month, born.day),
        street=f"{rng.randint(1, 10 ** rng.randint(1, 5))} {rng.choice(pools.STREET)}",
        unit=rng.choice(pools.UNIT) if rng.random() < 0.3 else "",
        city=rng.choice(pools.CITY),
        zip_code=_postal_code(rng, metric=jurisdiction.metric),
        sex=rng.choice(("M", "F") * 10 + ("X",)),
        height=rng.randint(55, 79),
        weight=rng.randint(95, 290),
        eyes=rng.choice(["BRO", "BLU", "GRN", "HAZ", "BLK", "GRY"]),
        hair=rng.choice(["BRO", "BLK", "BLN", "GRY", "RED"]),
        vehicle_class="" if identification else rng.choice(["C", "D", "M", "E", "CM", "R", "G", "5"]),
        restrictions=rng.choice(pools.RESTRICTIONS),
        endorsements="NONE" if identification else rng.choice(pools.ENDORSEMENTS),
        discriminator=filled(rng.choice(["99AA999999", "9999999999999999", "99/99/9999AAA/AA9"]), rng),
        identification=identification,
    )


def altered(somebody: Person, what: Alteration = "birth date") -> Person:
    """The same person with one thing changed: what a forged front says beside an honest barcode."""
    rng = random.Random(somebody.seed * 13 + 5)
    if what == "surname":
        others = [name for name in pools.LAST if name[0] != somebody.last[0] and len(name) > 3]
        return replace(somebody, last=rng.choice(others))
    if what == "number":
        return replace(somebody, number=_one_digit_changed(somebody.number, rng))
    return replace(somebody, born=somebody.born.replace(year=somebody.born.year - 3))


def grouped(somebody: Person) -> str:
    """The number as it is printed, with the dashes or spaces that group it."""
    characters = iter(somebody.number)
    return "".join(next(characters) if c in "A9" else c for c in somebody.jurisdiction.number_pattern)


def _postal_code(rng: random.Random, *, metric: bool) -> str:
    if metric:
        return f"Z{rng.randrange(10)}{rng.choice('ABCEGHJ')} {rng.randrange(10)}{rng.choice('KLMNPR')}9"
    extension = f"-{rng.randint(1, 9998):04d}" if rng.random() < 0.25 else ""
    return f"000{rng.randint(0, 99):02d}{extension}"


def _one_digit_changed(number: str, rng: random.Random) -> str:
    place = rng.choice([at for at, character in enumerate(number) if character.isdigit()])
    digit = (int(number[place]) + rng.randint(1, 9)) % 10
    return f"{number[:place]}{digit}{number[place + 1 :]}"
