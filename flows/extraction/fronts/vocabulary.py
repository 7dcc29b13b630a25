"""What issuers print before a value, and what each kind of value looks like.

Numbers are those of the AAMVA DL/ID Card Design Standard (2020), table A.2; words are the ones American and
Canadian issuers print beside or instead of them, in English, French and Spanish. Patterns are matched against
`folded` text: upper case without accents, character for character.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import cache


class Label(StrEnum):
    """What a value is said to be. The value of a member is the number the standard gives it, if any."""

    LAST = "1"
    GIVEN = "2"
    NAME = "1,2"
    """All names in one place: Ontario's `1,2 NAME/NOM`, or a plain `NAME`."""
    MIDDLE = "middle"
    SUFFIX = "suffix"
    BORN = "3"
    ISSUED = "4a"
    EXPIRES = "4b"
    ISSUER = "4c"
    NUMBER = "4d"
    DISCRIMINATOR = "5"
    ADDRESS = "8"
    CLASS = "9"
    ENDORSEMENTS = "9a"
    RESTRICTIONS = "12"
    SEX = "15"
    HEIGHT = "16"
    WEIGHT = "17"
    EYES = "18"
    HAIR = "19"
    OTHER_DATE = "other date"
    """A date that is none of the three: the form's revision, the day the holder comes of age."""
    OTHER = "other"
    """Titles and marks, which have no value."""


NAMES = frozenset((Label.LAST, Label.GIVEN, Label.NAME, Label.MIDDLE, Label.SUFFIX))
DATES = (Label.BORN, Label.ISSUED, Label.EXPIRES)
"""In the order in which they lie in time."""

MONTHS = (
    ("JAN", "JANV"), ("FEB", "FEV", "FEVR"), ("MAR", "MARS"), ("APR", "AVR"), ("MAY", "MAI"),
    ("JUN", "JUIN"), ("JUL", "JUIL"), ("AUG", "AOU", "AOUT"), ("SEP", "SEPT"), ("OCT",), ("NOV",),
    ("DEC",),
)  # fmt: skip
"""January first; English and French, without accents."""

_MONTH = (
    r"(?:JAN|FEB|FEV|MAR|APR|AVR|MAY|MAI|JUN|JUI|JU[L1]|AUG|AOU|[S5]EP|[O0]CT|N[O0]V|DEC)[A-Z]{0,6}\.?"
    r"(?: ?/ ?[A-Z]{3,9})?"
)
_GAP = r"[ /.,-]{0,3}"
DATE = (
    r"(?:[\dO]{1,2}[ /.,-]{1,3}[\dO]{1,2}[ /.,-]{1,3}[\dO]{4}"
    r"|[\dO]{4}[ /.,-]{1,3}[\dO]{1,2}[ /.,-]{1,3}[\dO]{1,2}"
    r"|[0-3O][\dO][ /.,-]?[0-3O][\dO][ /.,-]?(?:19|2[0O])[\dO]{2}"
    r"|(?:19|2[0O])[\dO]{2}[ /.,-]?[01O][\dO][ /.,-]?[0-3O][\dO]"
    rf"|[\dO]{{1,2}}{_GAP}{_MONTH}{_GAP}[\dO]{{4}}|[\dO]{{4}}{_GAP}{_MONTH}{_GAP}[\dO]{{1,2}}"
    rf"|{_MONTH}{_GAP}[\dO]{{1,2}}[ /.,-]{{1,3}}[\dO]{{4}}"
    rf"|[\dO]{{1,2}}[/.-][\dO]{{1,2}}[/.-][\dO]{{2}}"
    rf"|[\dO]{{1,2}}[ /.-]{_MONTH}[ /.-][\dO]{{2}}(?!,? ?[\dO]{{4}}))"
    r"(?![\dA-Z])"
)
SPELT_DATE = (
    r"(?!\d{8} (?!\d{8}\b)\d{5,}\b)"
    r"(?:(?<![\dA-Z/.-])|(?<=[A-Z])(?=\d{1,4}/\d\d/))(?=[\dA-Z]{1,9}[ /.,-]|\d{1,2}[A-Z]{3})"
    rf"{DATE}(?![/.-]?\d)"
)
"""A date that stands out from other text on its line; eight digits in a row do not, least of
all when a further group follows (a discriminator)."""

_NAME = r"(?:[^\W\d_]|0(?='))(?:[^\d_@#%/\\:*\"()]|(?<=[A-Z])[0158](?=[A-Z])|(?<=[A-Z])0\b)*$"
_IN_FRENCH = r"(?: ?/ ?[A-Z]+)?"
_EYES = (
    r"(?:BLK|BLU|BR[O0]|BRN|DIC|GRY|GRN|HAZ|HZL|MAR|PNK|UNK|BLACK|BLUE|BROWN|GR[AE]Y|GREEN|HAZEL|MAROON"
    r"|PINK|DICHROMATIC|NOIR|BLEU|BRUN|GRIS|VERT|NOISETTE)S?\b" + _IN_FRENCH
)
_HAIR = r"(?:BLK|BLN|BLD|BAL|BRO|BRN|GRY|RED|SDY|WHI|UNK|BLACK|BLOND\w*|BROWN|GR[AE]Y|WHITE|BALD|SANDY)\b"
_CODES = r"(?:NONE\b|AUCUNE?\b|(?:[A-Z0-9]{1,5}|\*[A-Z0-9])(?:[ ,/]{1,2}[A-Z0-9]{1,2}(?!\w)){0,6})(?![\w'/-])"
_HEIGHT = (
    r"(?:[3-8] ?(?:['\u2019\u2032\u00b0-]|FT)[ '-]*[\dO]{1,2}(?:[\"\u201d']{1,2}|''| ?IN)?"
    r"|[3-8] \d{1,2}\"|[3-8]\d{2}(?!\d)|\d{2,3} ?(?:IN|CM)\b|[12][.,]\d{2} ?M\b)"
)

VALUES: dict[Label, str] = {
    **dict.fromkeys((Label.LAST, Label.GIVEN, Label.NAME, Label.MIDDLE), _NAME),
    Label.SUFFIX: r"(?:JR|SR|I{2,3}|IV|V|[1-4](?:ST|ND|RD|TH))\b",
    **dict.fromkeys((*DATES, Label.OTHER_DATE), DATE),
    Label.ISSUER: r"[A-Z].*",
    Label.NUMBER: r"(?=(?:[A-Z* -]*\d){3})(?=.{5})[A-Z0-9][A-Z0-9* -]{3,24}(?![A-Z0-9/])",
    Label.DISCRIMINATOR: r"(?=[^\d]*\d)[A-Z0-9][A-Z0-9/ -]{4,40}",
    Label.ADDRESS: r"(?=.*[A-Z])(?:\d+\S* .+|\d{1,6}[A-Z]{3}.*|[A-Z]\d+[A-Z]\d+ .+|[A-Z].* .+)",
    Label.CLASS: r"(?:NONE|[A-Z]{1,2}\d?|[0-9]{1,2}[A-Z]?)(?:[ ,/]+[A-Z]\d?){0,3}(?![\w'/-])",
    Label.ENDORSEMENTS: _CODES,
    Label.RESTRICTIONS: _CODES,
    Label.SEX: r"(?:MALE|FEMALE|[MFX])\b",
    Label.HEIGHT: _HEIGHT,
    Label.WEIGHT: r"\d{2,3} ?(?:LBS?|KG)?\b",
    Label.EYES: _EYES,
    Label.HAIR: _HAIR,
    Label.OTHER: r"",
}
"""What each label's value looks like, from its first character on."""

WORDS: dict[Label, tuple[str, ...]] = {
    Label.LAST: ("LN", "LAST NAME", "FAMILY NAME", "SURNAMES?", "LAST", "NOM DE FAMILLE", "NOM", "APELLIDOS?",
                 "L NAME"),
    Label.GIVEN: ("FN", r"FIRST(?: NAMES?)? (?:AND |[&/,] ?)?(?:MIDDLE(?: NAMES?| INITIAL)?|MI\b)",
                  "FIRST NAMES?", "GIVEN NAMES?", "FIRST", "GIVEN", "F NAME", "FORENAMES?", "PRENOMS?",
                  "NOMBRES?"),
    Label.NAME: ("NAME", "FULL NAME", "NAME/NOM", "NOM/NAME"),
    Label.MIDDLE: ("MN", "MIDDLE NAMES?", "MIDDLE", "MIDDLE INITIAL", "M NAME"),
    Label.SUFFIX: ("SUFFIX", "SUF"),
    Label.BORN: (r"D\.?O\.?B", "DO8", "008", "00B", "DATE OF BIRTH", "BIRTH ?DATE", "BIRTH", "BORN", "DDN",
                 "DATE DE NAISSANCE", "NAISSANCE", r"NE(?:\(E\)|E)? LE", "FECHA DE NACIMIENTO",
                 "FECHA (?:DE )?NAC", "NACIMIENTO"),
    Label.ISSUED: ("ISS", "LSS", "1SS", "ISSUED", "ISSUE DATE", "DATE OF ISSUE", "DATE ISSUED", "ISSUED ON",
                   "ISSUE", "ISS DATE", "ISD", "ISSUANCE", "DATE OF ISSUANCE", "ISSUANCE DATE", "ISSUE DT",
                   "EFFECTIVE", "EFFECTIVE DATE", "DEL", "DELIVREE?", "DELIVREE? LE", "DELIVRANCE",
                   "DATE DE DELIVRANCE", "EXPEDIDA", "EXPEDICION", "EMISION",
                   "FECHA DE (?:EXPEDICION|EMISION)"),
    Label.EXPIRES: ("EXP", "EXPIRES", "EXPIRY", "EXPIRATION DATE", "EXPIRATION", "EXP DATE", "EXPIRES ON",
                    "DATE OF EXPIRY", "EXPIRY DATE", "DATE OF EXPIRATION", "VALID UNTIL", "VALID THRU",
                    "VALID THROUGH", "GOOD THRU", "DATE D'EXPIRATION", "VALIDE JUSQU'AU", "EXPIRE",
                    "EXPIRATION DT", "EXP DT", "EXPIRES ON BIRTHDAY", "VALID (?:TO|TILL)", "EXPIRE LE",
                    "EXPIRA", "EXPIRACION", "VENCE", "VENCIMIENTO", "FECHA DE (?:EXPIRACION|VENCIMIENTO)"),
    Label.NUMBER: ("DLN", "DL", "D(?=:)", "DL NO", "DL NUMBER", "DL ID", "DLID", "LIC", "LI[CE] NO",
                   "LICEN[SC]E NO", "LICEN[SC]E NUMBER", "LICEN[SC]E",
                   "DRIVER'?S? LICEN[SC]E (?:NO|NUMBER)", "ID", "IDN",
                   "ID NO", "ID NUMBER", "NUMBER", "NO", "OLN", "CDL", "CDL NO", "CUSTOMER ID", "CID",
                   "CUSTOMER NO", "CUSTOMER IDENTIFIER", "OPERATOR (?:NO|NUMBER)", "LICEN[SC]E ID", "LIC ID",
                   "CARD NO", "CARD NUMBER", "IDENTIFICATION (?:NO|NUMBER)", "PERMIT NO", "NUMERO", "NUM",
                   "DOCUMENT NO", "DOCUMENT NUMBER", "DRIVER NO", "MASTER NO", "OL NO",
                   "(?:DL|OL|LIC|ID|CLIENT|CUSTOMER|CUST|PERMIT) (?:NBR|NUMBER|NUM)",
                   "(?:CLIENT|CUST) (?:NO|ID)", "OPERATOR'?S? LICEN[SC]E (?:NO|NUMBER)",
                   r"DRIVER'?S? LICEN[SC]E(?=\s?#)", "NO DE PERMIS",
                   "PERMIS NO", "NUMERO DE PERMIS", r"N[\u00b0*] ?DE PERMIS", "NO D'IDENT(?:IFICATION|ITE)?",
                   "(?:NO|NUM|NUMERO) (?:DE )?LICENCIA", "LICENCIA NO"),
    Label.DISCRIMINATOR: ("DD", "DOC DISC", "DOCUMENT DISCRIMINATOR", "AUDIT", "AUDIT NO", "REF", "DD NO",
                          "DISC", "ICN", "INVENTORY", "INVENTORY (?:NO|NUMBER)", "INVENTORY CONTROL NO",
                          "AUDIT NUMBER", "REF NO", "DOC DISCR", "DOCUMENT DISC", "NO DE REF",
                          "NO DE REFERENCE", "REFERENCE"),
    Label.ADDRESS: ("ADDRESS", "ADDR", "ADOR", "ADD", "RESIDENCE", "RESIDENCE ADDRESS", "MAILING ADDRESS",
                    "STREET ADDRESS", "HOME ADDRESS", "LEGAL RESIDENCE",
                    "(?:RES|RESIDENT|LEGAL|MAIL|PHYSICAL|PERMANENT|CURRENT) ADD(?:RESS|R)", "ADRESSE",
                    "DIRECCION", "DOMICILIO", r"STREET(?=:|\s*$)"),
    Label.CLASS: ("CLASS", "CLS", "CL", "LICEN[SC]E CLASS", "CLASSIFICATION", "CLASSE(?![A-Z])", "CATEG",
                  "CATEGORY", "CATEGORIE", "CATEGORIA", "CLASE", "VEHICLE CLASS", "VEH CLASS"),
    Label.ENDORSEMENTS: ("END", "ENDR", "ENDORSEMENTS?", "ENDORSE", "ENDORS", "ENDS", "MENTIONS", "ENDOSOS?"),
    Label.RESTRICTIONS: ("REST", "RESTR", "RSTR", "RESTRICTIONS?", "RES", "RESTS", "RSTRS", "RESTRICT",
                         "RSTRCT", "COND", "CONDITIONS?", "RESTRICCION(?:ES)?"),
    Label.SEX: ("SEX", "GENDER", "SX", "SEXE", "GEN", "SEXO"),
    Label.HEIGHT: ("H[A-Z0-9]T", "HGHT", "HT", "HEIGHT", r"H(?=:|\s?[3-8]\s?['-])", "HAUT", "HAUTEUR",
                   "TAILLE", "ESTATURA"),
    Label.WEIGHT: ("WGT", "WT", "WEIGHT", "POIDS", "PESO"),
    Label.EYES: ("EYES?", "EYE COLOU?R", "EYE COLR?", "EYE CLR", "COLOU?R OF EYES", "YEUX", "OJOS",
                 "COLOR DE OJOS"),
    Label.HAIR: ("HAIR", "HAIR COLOU?R", "CHEVEUX", "PELO", "CABELLO"),
    Label.OTHER_DATE: ("REV", "REV DATE", "REVISED", r"UNDER ?\d\d UNTIL", r"UNDER ?\d\d", r"\d\d ON",
                       r"UNTIL", r"TURNS \d\d(?: ON)?", "DATE OF FIRST ISSUE", "FIRST ISSUED", "ORIG ISS",
                       "SINCE", "DUPS? ISS", r"AGE \d\d(?: ON)?", "FORM REV", "MED EXP",
                       "ORIGINAL DATE", "ORIGINAL ISSUE",
                       "MED(?:ICAL)? CERT EXP"),
    Label.OTHER: ("TYPE", "DONOR", "ORGAN DONOR", "VETERAN", "COUNTY", "DUPS?", "COPY"),
}  # fmt: skip
"""Spellings by label, each a pattern in which a space may be lost."""

TITLE = re.compile(
    r"(?:COMMERCIAL\s*|ENHANCED\s*|PROVISIONAL\s*)*(?:DRIVER'?\s?S?|DRIVING|OPERATOR'?S?|CHAUFFEUR'?S?)"
    r"\s*LICEN[SC]E\b(?!\s*(?:NO|NUM|#|ID\b|CLASS))"
    r"|PERMIS\s*DE\s*CONDUIRE|LICENCIA\s*DE\s*CONDUCIR|TARJETA\s*DE\s*IDENTIFICACION|(?:NON\s?-?\s?DRIVER\s*)?IDENTIFICATION\s*CARD|IDENTITY\s*CARD|PHOTO\s*(?:ID|CARD)"
    r"|(?:STATE\s*)?\bID\s*CARD|CARTE\s*D'\s?IDENTITE|(?:INSTRUCTION|LEARNER'?S?|BEGINNER'?S?)\s*PERMIT|NON-?DRIVER\s*ID\b"
    r"|STATE\s*IDENTIFICATION\b(?!\s*(?:CARD|NO|NUM|#))"
)
"""A card's name for itself: its words LICENSE and ID label nothing."""

MARK = re.compile(
    r"(?:SPECIMEN|SAMPLE|VOID|ORGAN|DONOR|DONNEUR|VETERAN|SAFE DRIVER|REAL ?ID|NOT (?:VALID )?FOR.*|FEDERAL.*"
    r"|NOT (?:A )?VALID.*|LIMITED.?TERM|TEMPORARY|DUPL?I?C?A?T?E?|USA|CAN|CANADA|U\.S\.A\.?|DL|DRIVER"
    r"|LICEN[SC]E|IDENTIFICATION|ENHANCED|CDL|SIGNATURE|PORTRAIT|NONE|STATE OF .*|COMMONWEALTH OF .*"
    r"|DEPARTMENT .*|.*MOTOR VEHICLES?.*|MINISTRY .*|GOVERNOR|DIRECTOR|COMMISSIONER|REGISTRAR|[ *.,-])+"
)
"""Text that is no field's value however it lies: overprints, marks of status, who issued the card."""

_STATE = r"(?!NO\b|DL\b)(?P<state>[A-Z][A-Z01]|0[A-Z]|QUEBEC|ONTARIO)"
_POSTAL = r"(?P<zip>[\dO]{5}(?:[ -]{0,2}[\dO]{4})?|[A-Z][\dO][A-Z][ -]?[\dO][A-Z][\dO])"
_CITY = (
    r"(?!(?:LIC|DL|ID|LICEN[SC]E|DRIVER|OPERATOR|CUSTOMER|CARD|PERMIT)\b)"
    r"(?P<city>(?:[^\d,()]|(?<=[A-Z0])[01](?=[A-Z01])|\b0(?=[A-Z'])|^0(?= [A-Z]{3})|(?<=[A-Z])0(?= ))*"
    r"(?:[^\W\d_]|(?<=[A-Z])0))"
)
CITY = re.compile(rf"^{_CITY}(?:[ ,.(]+{_STATE})[ ,.)]*{_POSTAL}(?:[ ,]*(?:USA|US|CANADA|CAN))?$")
"""A line that ends in state and ZIP code, or in province and postal code: whatever it begins with, that is
no label (IDAHO FALLS)."""
STATE_AND_CODE = re.compile(rf"^{_STATE}[ ,.)]*{_POSTAL}$")
POSTAL_CODE = re.compile(rf"^{_POSTAL}$")
STREET_TYPE = (
    r"(?:ST|STREET|AVE?|AVENUE|RD|ROAD|DR|DRIVE|LN|LANE|BLVD|BOULEVARD|CT|COURT|PL|PLACE|HWY|HIGHWAY|TER|"
    r"TERRACE|CIR|CIRCLE|WAY|PKWY|PARKWAY|TRL|TRAIL|SQ|SQUARE|LOOP|PIKE|CRES|RUE|CHEMIN|ROUTE)"
)
UNIT = r"(?:APT|UNIT|STE|SUITE|LOT|#|BLDG|FL|FLOOR|RM|ROOM|SPC|TRLR|PH)"
STREET = re.compile(rf"\b{STREET_TYPE}\b\.?(?:[ ,]*[NSEW]{{1,2}}\b)?(?:[ ,]*{UNIT}\b.*)?$")
"""The end of an address line."""


@cache
def _fold(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character)[0].upper()
    return "'" if character in "\u2019\u2018`\u00b4" else plain if len(plain) == 1 else character


def folded(text: str) -> str:
    """Upper case without accents, wide forms or curly apostrophes, as long as the text itself."""
    return "".join(_fold(character) for character in text)
