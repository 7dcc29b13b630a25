"""The exception tree. Every error a caller can meet is one of these classes.

Each class fixes what the caller sees: problem type, title and HTTP status (RFC 9457), and whether
trying again can help. The message says what was wrong and what to do; it never holds a secret or
personal data. The status matters most to SNS, which retries 5xx and never retries 4xx: a class is
`retryable` when the same request may succeed later. Trouble that is ours is 503; too much at once is
429, and to SNS 503.

    SluiceError
    ├── BadRequest (400)        Malformed, NotAnSnsMessage, CursorInvalid
    ├── Unauthenticated (401)
    ├── Forbidden (403)         SignatureInvalid, SignatureVersionTooLow, TopicNotAllowed, MessageTooOld,
    │                           SubscriptionRefused, RoleMissing
    ├── NotFound (404)          Purged (410)
    ├── Conflict (409)          DecisionNotPossible, DecisionConflict, StillRefused
    ├── PayloadTooLarge (413)
    ├── Unprocessable (422)     IdempotencyKeyReused
    ├── RateLimited (429)
    ├── Misconfigured           never reaches a caller: stops the start
    ├── DecryptionFailed (500)
    └── Unavailable (503)       ShuttingDown, DatabaseUnavailable, CertificateUnavailable, …
"""

from __future__ import annotations

from typing import Any, ClassVar


class SluiceError(Exception):
    """Base of every error with a meaning to a caller. `detail` is one or two plain sentences."""

    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after: int = 20
    """Seconds until trying again can help, where it can. SNS itself waits 20 s between its first tries."""

    def __init__(self, detail: str, *, retry_after: int | None = None, **extensions: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions
        if retry_after is not None:
            self.retry_after = retry_after

    @classmethod
    def type_uri(cls) -> str:
        """The problem type, stable for ever; described under the same slug in docs/problems.md."""
        return f"urn:sluice:problem:{cls.slug}"


class BadRequest(SluiceError):
    slug, title, status = "bad-request", "The request is malformed", 400


class Malformed(BadRequest):
    slug, title = "malformed", "The content cannot be parsed"


class NotAnSnsMessage(BadRequest):
    slug, title = "not-an-sns-message", "The body is not an SNS message"


class CursorInvalid(BadRequest):
    slug, title = "cursor-invalid", "The cursor is not one of this list"


class Unauthenticated(SluiceError):
    slug, title, status = "unauthenticated", "No valid credentials", 401


class Forbidden(SluiceError):
    slug, title, status = "forbidden", "Not allowed", 403


class SignatureInvalid(Forbidden):
    slug, title = "signature-invalid", "The signature does not verify"


class SignatureVersionTooLow(Forbidden):
    slug, title = "signature-version-too-low", "The topic demands a newer signature version"


class TopicNotAllowed(Forbidden):
    slug, title = "topic-not-allowed", "The topic is not on the allow-list"


class MessageTooOld(Forbidden):
    slug, title = "message-too-old", "The message was sent too long ago"


class SubscriptionRefused(Forbidden):
    slug, title = "subscription-refused", "SNS does not accept the subscription token"


class RoleMissing(Forbidden):
    slug, title = "role-missing", "The API key's role does not allow this"


class NotFound(SluiceError):
    slug, title, status = "not-found", "Not found", 404


class Purged(NotFound):
    """It was here and was removed for good, which 410 says and 404 leaves open (RFC 9110 section 15.5.11)."""

    slug, title, status = "purged", "Removed for good", 410


class Conflict(SluiceError):
    slug, title, status = "conflict", "In conflict with the current state", 409


class DecisionNotPossible(Conflict):
    slug, title = "decision-not-possible", "The application cannot be decided now"


class DecisionConflict(Conflict):
    slug, title = "decision-conflict", "Another decision was made first"


class StillRefused(Conflict):
    """A quarantined message that would be refused again. The member `reason` is the slug of that problem."""

    slug, title = "still-refused", "The message would be refused again"


class PayloadTooLarge(SluiceError):
    slug, title, status = "payload-too-large", "The request body is too large", 413


class Unprocessable(SluiceError):
    slug, title, status = "unprocessable", "The content is not valid", 422


class IdempotencyKeyReused(Unprocessable):
    slug, title = "idempotency-key-reused", "The idempotency key was used for different content"


class RateLimited(SluiceError):
    slug, title, status, retryable = "rate-limited", "Too many requests", 429, True


class Misconfigured(SluiceError):
    """A setting or routes file that cannot work. Raised before anything is served."""

    slug, title = "misconfigured", "The configuration is not valid"


class DecryptionFailed(SluiceError):
    """Stored personal data that no configured key opens: the key is gone, or the value was changed."""

    slug, title = "decryption-failed", "Stored data cannot be decrypted"


class Unavailable(SluiceError):
    slug, title, status, retryable = "unavailable", "Temporarily unavailable", 503, True


class ShuttingDown(Unavailable):
    slug, title = "shutting-down", "The gateway is shutting down"


class Overloaded(Unavailable):
    slug, title = "overloaded", "Too many requests from this address"


class TimedOut(Unavailable):
    slug, title = "timed-out", "The request took too long"


class DatabaseUnavailable(Unavailable):
    slug, title = "database-unavailable", "The database cannot be reached"


class CertificateUnavailable(Unavailable):
    slug, title = "certificate-unavailable", "The signing certificate cannot be fetched"


class PrefectUnavailable(Unavailable):
    slug, title = "prefect-unavailable", "Prefect cannot be reached"


class ObjectStoreUnavailable(Unavailable):
    slug, title = "object-store-unavailable", "The object store cannot be reached"
