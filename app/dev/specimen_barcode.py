"""The PDF417 on a specimen's back, in the layout of the AAMVA DL/ID Card Design Standard (2020), Annex D."""

from __future__ import annotations

from datetime import date

import numpy as np
import zxingcpp
from PIL import Image

from app.dev.specimen_people import Person

_SEX = {"M": "1", "F": "2", "X": "9"}


def aamva(somebody: Person) -> bytes:
    """The barcode's content: header, one DL or ID and one jurisdiction subfile, version 10 (D.12)."""
    code = somebody.jurisdiction.code
    kind = "ID" if somebody.identification else "DL"
    elements = _elements(somebody)
    subfile = kind + "\n".join(name + value for name, value in elements.items() if value) + "\r"
    own = f"Z{code[0]}Z{code[0]}ASPECIMEN\r"
    first = 21 + 2 * 10  # the header, then ten bytes per subfile designator
    designators = f"{kind}{first:04d}{len(subfile):04d}Z{code[0]}{first + len(subfile):04d}{len(own):04d}"
    header = f"@\n\x1e\rANSI {somebody.jurisdiction.issuer}100002"
    return (header + designators + subfile + own).encode("latin-1")


def _elements(somebody: Person) -> dict[str, str]:
    """The data elements by their identifiers (tables D.3 and D.4); metric issuers write dates year first."""
    metric = somebody.jurisdiction.metric

    def day(value: date) -> str:
        return f"{value:%Y%m%d}" if metric else f"{value:%m%d%Y}"

    measure = f"{round(somebody.height * 2.54):03d} cm" if metric else f"{somebody.height:03d} in"
    return {
        "DAQ": somebody.number,
        "DCS": somebody.last,
        "DDE": "N",
        "DAC": somebody.first,
        "DDF": "N",
        "DAD": somebody.middle or "NONE",
        "DDG": "N",
        "DCU": somebody.suffix,
        "DCA": "" if somebody.identification else somebody.vehicle_class,
        "DCB": somebody.restrictions,
        "DCD": somebody.endorsements,
        "DBD": day(somebody.issued),
        "DBB": day(somebody.born),
        "DBA": day(somebody.expires),
        "DBC": _SEX[somebody.sex],
        "DAU": measure,
        "DAY": somebody.eyes,
        "DAG": somebody.address,
        "DAI": somebody.city,
        "DAJ": somebody.jurisdiction.code,
        "DAK": _postal_code(somebody.zip_code),
        "DCF": somebody.discriminator,
        "DCG": "CAN" if metric else "USA",
        "DAW": f"{somebody.weight:03d}",
        "DAZ": somebody.hair,
    }


def _postal_code(code: str) -> str:
    """Eleven characters: five digits have zeros for their extension, Canadian codes blanks (table D.3)."""
    bare = code.replace("-", "").replace(" ", "")
    return (bare + "0000" if len(bare) == 5 else bare).ljust(11)


def symbol(content: bytes, width: int) -> Image.Image:
    """The barcode of 13 columns, in whole pixels to a module and at most `width` pixels wide."""
    drawn = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.PDF417, ec_level="5", columns=13)
    modules = Image.fromarray(np.array(drawn.to_image(scale=1)))
    scale = width // modules.width
    return modules.resize((modules.width * scale, modules.height * scale), Image.Resampling.NEAREST)
