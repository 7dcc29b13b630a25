"""The routes file: what matches, what it renders, and how a bad file is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import routing
from app.errors import Misconfigured

TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
OTHER_TOPIC = "arn:aws:sns:us-east-1:123456789012:other"

SEGMENT = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=40
)
APPLICATION_IDS = st.from_regex(rf"\A{routing.APPLICATION_ID}\Z")

LOAN_ROUTES = routing.shipped()

UPLOADS = "a/{application_id}/{kind}/{file}"

S3_ROUTE = """
[[route]]
name = "scans"
source = "s3"
deployment = "scan/default"
"""


def matched(routes: routing.Routes, key: str, **changes: str) -> list[routing.Match]:
    event = {"topic_arn": TOPIC, "event_name": "ObjectCreated:Put", "bucket": "documents"} | changes
    return routes.for_object(key=key, **event)


@given(application_id=APPLICATION_IDS, kind=SEGMENT, filename=SEGMENT)
def test_an_uploaded_document_starts_its_verification(application_id: str, kind: str, filename: str) -> None:
    [match] = matched(LOAN_ROUTES, f"applications/{application_id}/{kind}/{filename}")

    assert match.route.deployment == "document-verification/default"
    assert match.captures == {"application_id": application_id, "kind": kind, "filename": filename}
    assert match.route.render({**match.captures, "document_id": "d-1"}) == {"document_id": "d-1"}


@given(segments=st.lists(SEGMENT, max_size=6))
def test_a_capture_is_one_path_segment(segments: list[str]) -> None:
    key = "/".join(["applications", *segments])
    like_an_application = len(segments) == 3 and re.fullmatch(routing.APPLICATION_ID, segments[0])
    assert bool(matched(LOAN_ROUTES, key)) == bool(like_an_application)


@pytest.mark.parametrize(
    "key",
    [
        "applications//license-front/a.jpg",
        "applications/A-1/license-front/",
        "applications/A-1/license-front/a/b.jpg",
        "applications/../license-front/a.jpg",
        "applications/A 1/license-front/a.jpg",
        "applications/A-1\n/license-front/a.jpg",
        f"applications/{'A' * 65}/license-front/a.jpg",
        "Applications/A-1/license-front/a.jpg",
        "x/applications/A-1/license-front/a.jpg",
    ],
)
def test_other_keys_start_nothing(key: str) -> None:
    assert matched(LOAN_ROUTES, key) == []


@pytest.mark.parametrize("event_name", ["ObjectRemoved:Delete", "ObjectTagging:Put", "objectcreated:Put"])
def test_only_the_event_it_names_starts_a_route(event_name: str) -> None:
    key = "applications/A-1/license-front/a.jpg"
    assert matched(LOAN_ROUTES, key)
    assert not matched(LOAN_ROUTES, key, event_name=event_name)


def test_topic_and_bucket_narrow_a_route() -> None:
    routes = routing.load(S3_ROUTE + f'topic = "{TOPIC}"\nbucket = "documents"', "routes.toml")
    assert matched(routes, "any/key")
    assert not matched(routes, "any/key", topic_arn=OTHER_TOPIC)
    assert not matched(routes, "any/key", bucket="elsewhere")


def test_an_object_takes_every_route_that_matches() -> None:
    routes = routing.load(S3_ROUTE + S3_ROUTE.replace("scans", "copies"), "routes.toml")
    assert [match.route.name for match in matched(routes, "any/key")] == ["scans", "copies"]


def test_a_decision_goes_first() -> None:
    [match] = LOAN_ROUTES.for_decision()
    assert match.route.render({"decision_id": "d", "application_id": "a"}) == {"decision_id": "d"}
    assert match.route.priority < matched(LOAN_ROUTES, "applications/A/k/f")[0].route.priority


def test_a_message_on_a_topic_starts_its_route_and_no_other() -> None:
    routes = routing.load(
        f"""
        [[route]]
        name = "ledger"
        source = "sns"
        topic = "{TOPIC}"
        deployment = "ledger/default"
        work_queue = "slow"
        tags = ["ledger"]
        [route.parameters]
        message = "{{message_id}}"
        """,
        "routes.toml",
    )
    [match] = routes.for_message(TOPIC)
    assert (match.route.work_queue, match.route.tags) == ("slow", ("ledger",))
    assert match.route.render({"message_id": "m-1"}) == {"message": "m-1"}
    assert routes.for_message(OTHER_TOPIC) == []
    assert matched(routes, "any/key") == []
    assert routes.for_decision() == []


def test_parameters_keep_their_types_and_shape() -> None:
    routes = routing.load(
        S3_ROUTE
        + """
        key = "scans/{batch}/{filename}"
        [route.parameters]
        source = "s3://{bucket}/{key}"
        pages = 2
        strict = true
        scale = 1.5
        options = { batch = "{batch}", names = ["{filename}", "fixed"] }
        """,
        "routes.toml",
    )
    [match] = matched(routes, "scans/b7/page.png")
    values = {**match.captures, "bucket": "documents", "key": "scans/b7/page.png"}
    assert match.route.render(values) == {
        "source": "s3://documents/scans/b7/page.png",
        "pages": 2,
        "strict": True,
        "scale": 1.5,
        "options": {"batch": "b7", "names": ["page.png", "fixed"]},
    }


@given(captured=SEGMENT)
def test_a_captured_brace_is_not_filled_again(captured: str) -> None:
    routes = routing.load(S3_ROUTE + 'key = "scans/{name}"\nparameters = { name = "{name}" }', "routes.toml")
    [match] = matched(routes, f"scans/{captured}")
    assert match.route.render({**match.captures, "bucket": "secret"}) == {"name": captured}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('colour = "red"', "colour: is not a key of a route"),
        ('event = "s3:ObjectCreated:*"', 'without "s3:"'),
        ('topic = "uploads"', "an SNS topic's ARN"),
        ('key = "a/{b}/{b}"', "already the name"),
        ('key = "a/{bucket}"', "already the name"),
        ('key = "a/{b}.jpg"', "one {capture} between slashes"),
        ('key = "/a"', "between slashes"),
        ('key = "a/{B}"', "between slashes"),
        ('parameters = { x = "{nope}" }', '"{nope}"'),
        ('parameters = { x = "{document_id}" }', '"{document_id}"'),
        ('parameters = { x = ["{bucket} {"] }', "brace"),
        ("parameters = { x = 2026-01-01 }", "JSON"),
        ("parameters = { x = [nan] }", "nan in parameters is not a JSON value"),
        ("parameters = { x = -inf }", "-inf in parameters is not a JSON value"),
        ("parameters = { x = 9_223_372_036_854_775_808 }", "is not a JSON value"),
        ('parameters = { x = { __prefect_kind = "jinja" } }', "make Prefect evaluate"),
        ('parameters = { "{bucket}" = "x" }', "no NUL and no brace"),
        ('parameters = { x = "\\u0000" }', "NUL"),
        ('priority = "high"', "priority"),
        ("priority = -1", "priority"),
        ("priority = 2_147_483_648", "priority"),
        ('tags = "one"', "tags"),
        ('requires = ["front"]', '"requires" needs a key with {application_id} and {kind}'),
        ('requires = ["front"]\nkey = "a/{application_id}/{file}"', '"requires" needs a key'),
        (f'requires = ["front"]\nkey = "{UPLOADS}"\nevent = "ObjectRemoved:*"', '"requires" needs a key'),
        (f'requires = ["Front side"]\nkey = "{UPLOADS}"', "1 to 32 lower-case letters"),
        (f'requires = ["front", "front"]\nkey = "{UPLOADS}"', "names a kind twice"),
    ],
)
def test_a_route_that_cannot_work_is_refused_with_file_line_route_and_reason(lines: str, reason: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        routing.load("# a comment\n" + S3_ROUTE + lines, "my-routes.toml")
    assert caught.value.detail.startswith('my-routes.toml cannot be used. line 3, route "scans": ')
    assert reason in caught.value.detail


def test_a_route_says_in_order_which_kinds_an_application_needs() -> None:
    routes = routing.load(S3_ROUTE + f'key = "{UPLOADS}"\nrequires = ["front", "back"]', "routes.toml")
    [match] = matched(routes, "a/A-1/front/1.jpg")
    assert match.route.requires == ("front", "back")
    # The shipped route needs none: whatever arrives goes to review once it is read.
    assert [route.requires for route in LOAN_ROUTES.all] == [(), ()]


@pytest.mark.parametrize(
    "line", ['key = "a"', 'bucket = "b"', 'event = "*"', 'requires = ["front"]', f'topic = "{TOPIC}"']
)
def test_a_decision_route_cannot_be_narrowed_by_what_decisions_do_not_have(line: str) -> None:
    with pytest.raises(Misconfigured, match='means nothing to a route with source "decision"'):
        routing.load(S3_ROUTE.replace('"s3"', '"decision"') + line, "routes.toml")


def test_every_bad_route_is_named_at_once() -> None:
    text = (
        S3_ROUTE + S3_ROUTE + S3_ROUTE.replace("scans", "Third!") + S3_ROUTE.replace("scan/default", "scan")
    )
    with pytest.raises(Misconfigured) as caught:
        routing.load(text, "routes.toml")
    assert 'line 7, route "scans": another route has this name' in caught.value.detail
    assert 'line 12, route "Third!": name: must be' in caught.value.detail
    assert 'line 17, route "scans": deployment: must be "flow/deployment"' in caught.value.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[route]\n", "line 1"),
        ("", "one or more"),
        ("[route]\nname = 'a'", "one or more"),
        (S3_ROUTE + "[extra]", "nothing else"),
        ("route = [1]", "route number 1"),
    ],
)
def test_a_file_that_is_no_routes_file_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        routing.load(text, "routes.toml")


def test_a_route_for_removals_records_no_document_though_its_key_names_an_application() -> None:
    removal = """
[[route]]
name = "removed"
source = "s3"
event = "ObjectRemoved:*"
key = "applications/{application_id}/{kind}/{filename}"
deployment = "forget/default"
parameters = { application = "{application_id}" }
"""
    [route] = routing.load(removal, "test").all
    assert not route.records_document

    with pytest.raises(Misconfigured, match="document_id"):
        routing.load(removal.replace('"{application_id}" }', '"{document_id}" }'), "test")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(Misconfigured, match="deployment: is needed"):
        routing.load(S3_ROUTE.replace('deployment = "scan/default"', ""), "routes.toml")


def test_parsing_keeps_good_routes_beside_bad_ones() -> None:
    entries = routing.parse(S3_ROUTE + S3_ROUTE.replace("scans", "Bad!") + S3_ROUTE, "routes.toml")
    assert [entry.place for entry in entries] == [
        'line 2, route "scans"',
        'line 7, route "Bad!"',
        'line 12, route "scans"',
    ]
    assert [entry.problem is None for entry in entries] == [True, False, False]


def on_both_topics() -> routing.Routes:
    sns = S3_ROUTE.replace('"s3"', '"sns"')
    return routing.load(
        S3_ROUTE
        + sns.replace("scans", "ledger")
        + sns.replace("scans", "other")
        + f'topic = "{OTHER_TOPIC}"'
        + S3_ROUTE.replace('"s3"', '"decision"').replace("scans", "decided"),
        "routes.toml",
    )


def names(matches: list[routing.Match]) -> list[str]:
    return [match.route.name for match in matches]


def test_a_topic_takes_only_the_routes_that_its_policy_names() -> None:
    routes = on_both_topics().limited({TOPIC: ["scans"], OTHER_TOPIC: []})
    assert names(matched(routes, "any/key")) == ["scans"]
    assert names(routes.for_message(TOPIC)) == []
    assert names(matched(routes, "any/key", topic_arn=OTHER_TOPIC)) == ["scans"]
    assert names(routes.for_message(OTHER_TOPIC)) == ["ledger", "other"]
    assert names(routes.for_decision()) == ["decided"]


@pytest.mark.parametrize("name", ["nope", "other", "decided"])
def test_a_policy_that_names_a_route_the_topic_cannot_take_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        on_both_topics().limited({TOPIC: ["ledger", name]})
    assert f"sends {TOPIC} to {name}, which it cannot take" in caught.value.detail
    assert "Routes it can take: ledger, scans." in caught.value.detail


LITERAL = st.text(
    st.characters(exclude_characters="/{}\x00", exclude_categories=["Cs"]), min_size=1, max_size=20
)
CAPTURE = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z").filter(
    lambda name: name not in routing._VALUES["s3"] | {"application_id", "document_id"}
)
VALUE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def route(**content: Any) -> routing.Route:
    return routing.Route.model_validate(
        {"name": "route", "source": "s3", "deployment": "scan/default", **content}
    )


@given(
    parts=st.lists(
        st.one_of(LITERAL, st.tuples(CAPTURE, SEGMENT)),
        min_size=1,
        max_size=8,
        unique_by=lambda part: part[0] if isinstance(part, tuple) else object(),
    )
)
def test_a_key_written_by_a_template_is_matched_by_it(parts: list[str | tuple[str, str]]) -> None:
    template = "/".join(f"{{{part[0]}}}" if isinstance(part, tuple) else part for part in parts)
    key = "/".join(part[1] if isinstance(part, tuple) else part for part in parts)
    captures = dict(part for part in parts if isinstance(part, tuple))
    taken = route(key=template, parameters={name: f"{{{name}}}" for name in captures})

    [match] = matched(routing.Routes((taken,)), key)

    assert match.captures == captures
    assert taken.render(match.captures) == captures
    assert matched(routing.Routes((taken,)), f"{key}/more") == []
    assert matched(routing.Routes((taken,)), f"more/{key}") == []


@given(
    pieces=st.lists(st.one_of(LITERAL, st.sampled_from(["bucket", "key", "version_id"]).map(lambda n: (n,)))),
    values=st.fixed_dictionaries({"bucket": VALUE, "key": VALUE, "version_id": VALUE}),
)
def test_a_text_is_filled_piece_by_piece(pieces: list[str | tuple[str]], values: dict[str, str]) -> None:
    template = "".join(f"{{{piece[0]}}}" if isinstance(piece, tuple) else piece for piece in pieces)
    filled = "".join(values[piece[0]] if isinstance(piece, tuple) else piece for piece in pieces)
    nested = {"deep": [{"er": template}, template]}
    assert route(parameters=nested).render(values) == {"deep": [{"er": filled}, filled]}
