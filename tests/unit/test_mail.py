"""What the emails say: text and HTML alike, whatever they are given, in the package's words or a lender's."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from app.cli import cli
from app.encryption import new_key
from app.errors import Misconfigured
from app.mail import own_templates, rendering
from app.mail.notices import Notice, Template
from app.mail.rendering import Mail
from app.mail.samples import SAMPLES
from app.main import create_app
from app.regulation_b import MOST_REASONS
from app.settings import EncryptionSettings, MailSettings, Settings

SETTINGS = MailSettings(
    creditor="Lender & Sons, 7 Long Road, Springfield, IL 62701, (217) 555-0100",
    creditor_regulator="Federal Trade Commission, 600 Pennsylvania Avenue NW, Washington, DC 20580",
)

ECOA_NOTICE = (
    "The federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit "
    "applicants on the basis of race, color, religion, national origin, sex, marital status, age "
    "(provided the applicant has the capacity to enter into a binding contract); because all or part of "
    "the applicant's income derives from any public assistance program; or because the applicant has in "
    "good faith exercised any right under the Consumer Credit Protection Act. The federal agency that "
    "administers compliance with this law concerning this creditor is"
)
"""12 CFR 1002.9(b)(1)."""

APPROVED, DENIED, NEEDED = SAMPLES["approved"], SAMPLES["denied"], SAMPLES["more_information_needed"]


def rendered(notice: Notice, settings: MailSettings = SETTINGS) -> Mail:
    return rendering.render(own_templates.load(settings), settings, notice)


def words(text: str) -> str:
    return " ".join(text.replace("\n  - ", "\n").split())


def shown(mail: Mail) -> str:
    """What a reader of the HTML sees, its head left out."""
    body = mail.html[mail.html.index("<body") :]
    return words(html.unescape(re.sub(r"<[^>]*>", " ", re.sub("</?strong>", "", body))))


@pytest.mark.parametrize("name", SAMPLES)
def test_text_and_html_say_the_same(name: str) -> None:
    mail = rendered(SAMPLES[name])
    assert shown(mail) == words(mail.text)
    assert re.findall(r"<title>(.*)</title>", mail.html) == [mail.subject]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_email_is_polite_and_says_whom_it_is_from_and_about_what(name: str) -> None:
    mail = rendered(SAMPLES[name])
    assert mail.text.startswith("Dear Ada Specimen,\n\n")
    assert "A-1001" in mail.subject
    assert "A-1001" in mail.text
    assert "Ada" not in mail.subject
    assert SETTINGS.creditor in mail.text
    assert not re.search(r"[{}]|\n\n\n|None", mail.text)
    settings = {SETTINGS.creditor, SETTINGS.creditor_regulator}
    assert [line for line in mail.text.splitlines() if len(line) > 72 and line not in settings] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_html_loads_nothing_and_can_be_read_aloud(name: str) -> None:
    markup = rendered(SAMPLES[name]).html
    assert '<html lang="en">' in markup
    assert '<meta name="color-scheme" content="light dark">' in markup
    assert not re.search(r"<(img|link|script|iframe|table|style)|src=|href=|url\(|https?:|color:", markup)


def test_an_approval_names_its_conditions_and_no_reasons() -> None:
    mail = rendered(
        replace(APPROVED, conditions=("Proof of income", "A co-signer"), reasons=("no_credit_file",))
    )
    assert "these conditions:\n\n  - Proof of income\n  - A co-signer\n" in mail.text
    assert "credit file" not in mail.text
    assert "conditions" not in rendered(APPROVED).text


@pytest.mark.parametrize("count", range(1, MOST_REASONS + 1))
def test_a_denial_is_an_adverse_action_notice(count: int) -> None:
    reasons = ("income_not_verified", "Too many pets", "bankruptcy", "length_of_residence")[:count]
    in_words = ["Unable to verify income", "Too many pets", "Bankruptcy", "Length of residence"][:count]
    mail = rendered(replace(DENIED, reasons=reasons))
    assert re.findall("  - (.*)", mail.text) == in_words
    assert "Our principal reasons are:" in mail.text
    assert "we cannot approve it" in words(mail.text)
    assert ECOA_NOTICE in words(mail.text)
    assert words(mail.text).endswith(SETTINGS.creditor_regulator)
    assert "within 60 days" not in mail.text


def test_a_denial_without_reasons_tells_of_the_right_to_them() -> None:
    said = words(rendered(SAMPLES["denied-without-reasons"]).text)
    assert "You have the right to a statement of the specific reasons" in said
    assert "within 60 days of this notice" in said
    assert "within 30 days of your request" in said


def test_a_request_for_more_says_what_is_needed_and_until_when_if_the_lender_has_set_a_day() -> None:
    assert "This is what we need:\n\n  - A picture of the back" in rendered(NEEDED).text
    assert "further consideration" not in rendered(NEEDED).text
    until = words(rendered(SAMPLES["more_information_needed-by-a-day"]).text)
    assert "by January 4, 2027. If we do not receive it by then, we cannot give your application any" in until


def test_an_unreadable_document_says_why_and_what_to_do() -> None:
    said = words(rendered(SAMPLES["document_unreadable"]).text)
    assert "uploading the front of your driver's license or ID card" in said
    assert "The photo is too blurred to read; take it again in better light." in said
    assert "Please return to your application and upload it again." in said
    other = replace(SAMPLES["document_unreadable"], document="loan-apps-own-kind")
    assert "uploading your document for your loan" in words(rendered(other).text)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ creditor }} {% raw %} $application_id",
        "Zoë Łukasiewicz 李 &amp; ñ",
    ],
)
def test_whatever_is_written_is_text_and_nothing_else(hostile: str) -> None:
    told = rendered(replace(DENIED, name=hostile, reasons=(f"Reason {hostile}",)))
    asked = rendered(replace(SAMPLES["document_unreadable"], name=hostile, problem=hostile))
    for mail in (told, asked):
        assert shown(mail) == words(mail.text)
        assert f"Dear {hostile}," in mail.text
        assert "<script" not in mail.html
        assert "<img" not in mail.html


@pytest.mark.parametrize("name", ["Jane\r\nBcc: other@example.net", "Jane\n\nInjected", "Jane\u2028Next"])
def test_a_name_stays_on_its_line(name: str) -> None:
    assert rendered(replace(APPROVED, name=name)).text.startswith(f"Dear {' '.join(name.split())},\n\nGood")


def test_long_reasons_arrive_whole() -> None:
    mail = rendered(replace(DENIED, reasons=("long " * 400, "x" * 300)))
    assert mail.text.count("long") == mail.html.count("long") == 400
    assert "x" * 300 in mail.text


def test_every_template_has_a_sample_and_both_forms() -> None:
    assert {notice.template for notice in SAMPLES.values()} == set(Template)
    forms = {f"{name}.{form}" for name in [*Template, "base"] for form in ("txt", "html")}
    assert rendering.names() == forms


@pytest.fixture
def own(tmp_path: Path) -> MailSettings:
    return SETTINGS.model_copy(update={"templates_dir": tmp_path})


def test_a_lender_may_replace_one_template_and_keep_the_others(own: MailSettings, tmp_path: Path) -> None:
    (tmp_path / "approved.txt").write_text(
        '{% extends "base.txt" %}{% block subject %}Yes to {{ application_id }}{% endblock %}'
        "{% block body %}It is a yes.\n{% for one in conditions %}{{ one | item }}\n{% endfor %}"
        "{% endblock %}"
    )
    (tmp_path / "..data").mkdir()
    mail = rendered(APPROVED, own)
    assert mail.subject == "Yes to A-1001"
    assert "It is a yes.\n\nWith kind regards," in mail.text
    assert "<title>Yes to A-1001</title>" in mail.html
    assert "Good news" in mail.html
    assert rendered(DENIED, own) == rendered(DENIED)


EXTENDING = '{% extends "base.txt" %}{% block subject %}About {{ application_id }}{% endblock %}'


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("denid.txt", "", r"denid.txt is the template of no email. Those .* are approved.html, "),
        ("denied.txt", "One\nTwo {{ name }", r"denied.txt, line 2: unexpected '}'"),
        (
            "denied.html",
            "<p>\n{{ nmae }}",
            r"denied.html, line 2: 'nmae' is undefined. A .* may use answer_by, ",
        ),
        (
            "approved.txt",
            "A\n{% if conditions %}{{ x }}{% endif %}",
            r"approved.txt, line 2: 'x' is undefined",
        ),
        ("base.html", '{% extends "bass.html" %}', r"bass.html"),
        ("approved.txt", "A\n\n{{ 1 / 0 }}", r"approved.txt, line 3: division by zero"),
        ("approved.txt", "", r"first line of .*approved.txt is the subject"),
        ("approved.txt", "For {{ name }}\n\nYes.", r"not hold the applicant's name"),
        ("denied.txt", EXTENDING, r'denied.txt leaves out "Unable to verify income"'),
        ("denied.html", "{{ reasons }} {{ creditor }}", r"denied.html leaves out \"Federal Trade Commission"),
        ("denied.html", "{{ reasons }} {{ regulator }}", r"denied.html leaves out \"Lender & Sons"),
        ("approved.html", "Yes.", r"approved.html leaves out \"Proof of income for the last two months\""),
        ("document_unreadable.txt", EXTENDING, r"leaves out \"The photo is too blurred to read"),
        ("more_information_needed.html", "{{ reasons }}", r"leaves out \"January 4, 2027\""),
        ("approved.txt", b"\xff", r"approved is not in UTF-8"),
    ],
)
def test_a_template_that_cannot_work_stops_the_start_and_says_why(
    own: MailSettings, tmp_path: Path, file: str, content: str | bytes, problem: str
) -> None:
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Misconfigured, match=f"^SLUICE_MAIL_TEMPLATES_DIR: .*{problem}"):
        own_templates.load(own)


def test_a_folder_that_is_not_there_stops_the_start(own: MailSettings, tmp_path: Path) -> None:
    nowhere = own.model_copy(update={"templates_dir": tmp_path / "nowhere"})
    with pytest.raises(Misconfigured, match="nowhere cannot be read"):
        own_templates.load(nowhere)


def test_the_gateway_does_not_start_with_a_template_that_cannot_work(
    own: MailSettings, tmp_path: Path
) -> None:
    (tmp_path / "denied.txt").write_text("{{ nmae }}")
    keys = EncryptionSettings(keys=[SecretStr(new_key("test"))])
    with pytest.raises(Misconfigured, match="'nmae' is undefined"):
        create_app(Settings(mail=own, encryption=keys))


def test_a_missing_fact_is_never_an_empty_place() -> None:
    templates = rendering.environment(None)
    with pytest.raises(jinja2.UndefinedError):
        templates.from_string("{{ forgotten }}").render()


def test_the_preview_writes_every_email_and_names_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_MAIL_CREDITOR", "Lender Example, (217) 555-0199")
    outcome = CliRunner().invoke(cli, ["mail", "preview", "--out", str(tmp_path / "mails")])
    assert outcome.exit_code == 0, outcome.output
    files = [Path(line) for line in outcome.stdout.splitlines()]
    assert sorted(files) == sorted((tmp_path / "mails").iterdir())
    assert {file.name for file in files} == {f"{name}.{form}" for name in SAMPLES for form in ("html", "txt")}
    for file in files:
        assert "(217) 555-0199" in file.read_text("utf-8")


def test_the_preview_prints_one_email(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(cli, ["mail", "preview", "denied", "--text"])
    assert outcome.exit_code == 0, outcome.output
    assert re.findall("^=== (.*)", outcome.stdout, re.MULTILINE) == ["denied", "denied-without-reasons"]
    assert "Subject: Our decision on your loan application A-1001\n\nDear Ada Specimen," in outcome.stdout
    assert list(tmp_path.iterdir()) == []
