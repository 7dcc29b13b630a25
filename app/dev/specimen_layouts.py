"""Where specimens print what: several arrangements of the same fields, copied from no real card.

They differ in what a reader may lean on: AAMVA's numbered labels (2020 standard, table A.2), words,
labels above their values, two columns, or hardly any labels at all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One value at a place on the card, in pixels; `stacked` puts the label above the value."""

    key: str
    x: int
    y: int
    label: str
    size: int = 27
    accent: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Layout:
    cells: tuple[Cell, ...]
    title: str = "DRIVER LICENSE"
    date_format: str = "%m/%d/%Y"
    portrait_x: int = 26


_NUMBERED = Layout(
    (
        Cell("number", 326, 102, "4d DLN", 34, accent=True),
        Cell("class", 780, 108, "9 CLASS"),
        Cell("born", 326, 152, "3 DOB", 30, accent=True),
        Cell("last", 326, 198, "1", 31),
        Cell("given", 326, 242, "2", 31),
        Cell("street", 326, 290, "8"),
        Cell("city", 346, 322, ""),
        Cell("issued", 326, 370, "4a ISS"),
        Cell("expires", 660, 370, "4b EXP", accent=True),
        Cell("sex", 326, 416, "15 SEX"),
        Cell("height", 490, 416, "16 HGT"),
        Cell("eyes", 720, 416, "18 EYES"),
        Cell("weight", 326, 458, "17 WGT"),
        Cell("hair", 590, 458, "19 HAIR"),
        Cell("none", 326, 500, "9a END"),
        Cell("none", 590, 500, "12 REST"),
        Cell("discriminator", 26, 586, "5 DD", 22),
    )
)

_WORDS = Layout(
    (
        Cell("number", 326, 100, "DL", 38, accent=True),
        Cell("expires", 326, 154, "EXP", 30, accent=True),
        Cell("class", 720, 156, "CLASS"),
        Cell("last", 326, 198, "LN", 32),
        Cell("given", 326, 242, "FN", 32),
        Cell("street", 326, 288, ""),
        Cell("city", 326, 318, ""),
        Cell("born", 326, 358, "DOB", 34, accent=True),
        Cell("none", 326, 408, "RSTR"),
        Cell("none", 720, 408, "END"),
        Cell("sex", 326, 450, "SEX"),
        Cell("hair", 500, 450, "HAIR"),
        Cell("eyes", 720, 450, "EYES"),
        Cell("height", 326, 494, "HGT"),
        Cell("weight", 500, 494, "WGT"),
        Cell("issued", 720, 494, "ISS"),
        Cell("discriminator", 26, 586, "DD", 22),
    )
)

_COLONS = Layout(
    (
        Cell("number", 326, 104, "4d. LIC#:", 32),
        Cell("class", 780, 106, "9. Class:"),
        Cell("issued", 326, 150, "4a. Iss:"),
        Cell("expires", 660, 150, "4b. Exp:"),
        Cell("born", 326, 194, "3. DOB:", 30, accent=True),
        Cell("last", 326, 242, "1.", 31),
        Cell("given", 326, 284, "2.", 31),
        Cell("street", 326, 332, "8."),
        Cell("city", 352, 364, ""),
        Cell("none", 326, 412, "12. Restrictions:"),
        Cell("none", 720, 412, "9a. End:"),
        Cell("height", 326, 456, "16. Hgt:"),
        Cell("sex", 560, 456, "15. Sex:"),
        Cell("eyes", 740, 456, "18. Eyes:"),
        Cell("discriminator", 26, 586, "5. DD:", 22),
    ),
    date_format="%m-%d-%Y",
)

_STACKED = Layout(
    (
        Cell("number", 326, 104, "LICENSE NO.", 30, accent=True, stacked=True),
        Cell("class", 800, 104, "CLASS", 30, stacked=True),
        Cell("last", 326, 170, "LAST NAME", 30, stacked=True),
        Cell("given", 326, 236, "FIRST AND MIDDLE NAME", 30, stacked=True),
        Cell("street", 326, 302, "ADDRESS", 26, stacked=True),
        Cell("city", 326, 352, "", 26),
        Cell("born", 326, 400, "DATE OF BIRTH", 28, accent=True, stacked=True),
        Cell("issued", 556, 400, "ISSUED", 28, stacked=True),
        Cell("expires", 780, 400, "EXPIRES", 28, accent=True, stacked=True),
        Cell("sex", 326, 470, "SEX", 28, stacked=True),
        Cell("height", 446, 470, "HEIGHT", 28, stacked=True),
        Cell("eyes", 600, 470, "EYES", 28, stacked=True),
        Cell("hair", 780, 470, "HAIR", 28, stacked=True),
        Cell("discriminator", 26, 586, "DD", 22),
    ),
    title="Driver's License",
)

_COLUMNS = Layout(
    (
        Cell("last", 26, 108, "1 FAMILY NAME", 32, stacked=True),
        Cell("given", 26, 178, "2 GIVEN NAMES", 32, stacked=True),
        Cell("street", 26, 250, "8 ADDRESS", 26, stacked=True),
        Cell("city", 26, 302, "", 26),
        Cell("number", 26, 352, "4d NUMBER", 32, accent=True, stacked=True),
        Cell("class", 26, 426, "9 CLASS", 26),
        Cell("sex", 200, 426, "15 SEX", 26),
        Cell("eyes", 350, 426, "18 EYES", 26),
        Cell("height", 26, 466, "16 HGT", 26),
        Cell("weight", 230, 466, "17 WGT", 26),
        Cell("born", 450, 108, "3 DATE OF BIRTH", 28, accent=True, stacked=True),
        Cell("issued", 450, 178, "4a ISSUED", 28, stacked=True),
        Cell("expires", 450, 352, "4b EXPIRES", 28, accent=True, stacked=True),
        Cell("discriminator", 26, 560, "5 DD", 22),
    ),
    title="DRIVING LICENCE",
    portrait_x=716,
)

LAYOUTS = {
    "numbered": _NUMBERED,
    "words": _WORDS,
    "colons": _COLONS,
    "stacked": _STACKED,
    "columns": _COLUMNS,
}
