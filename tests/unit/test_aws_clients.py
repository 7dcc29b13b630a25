"""What AWS refuses, in words that say what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from app.aws.clients import explained
from app.errors import Forbidden, Misconfigured, SluiceError, Unavailable


def answer(code: str, status: int = 400, message: str = "The reason") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "CreateTopic",
    )


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (answer("AccessDenied", 403), Forbidden, "AWS answers AccessDenied to CreateTopic"),
        (answer("AuthorizationError", 403), Forbidden, "docs/aws.md"),
        (answer("403", 403), Forbidden, "may not do that"),
        (answer("InternalError", 500), Unavailable, "again later"),
        (answer("InvalidParameter"), Misconfigured, "InvalidParameter to CreateTopic: The reason"),
        (NoCredentialsError(), Misconfigured, "AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), Unavailable, "cannot be reached"),
    ],
)
def test_each_refusal_says_what_to_do(
    raised: ClientError | BotoCoreError, kind: type[SluiceError], said: str
) -> None:
    with pytest.raises(kind, match=said), explained():
        raise raised


def test_what_is_ours_passes_as_it_is() -> None:
    with pytest.raises(Misconfigured, match="as it is"), explained():
        raise Misconfigured("as it is")
