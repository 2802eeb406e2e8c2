"""What S3 and botocore say, in our errors: who acts, and what to grant or set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from moorage.errors import IntegrityError, InvalidName, MoorageError, StoreRefused, StoreUnavailable

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
_ACTIONS: Final = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
}
_ON_BUCKETS: Final = frozenset({"s3:ListBucket", "s3:ListBucketMultipartUploads"})
_FORBIDDEN: Final = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "403"})
_UNKNOWN_KEYS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "NotSignedUp"})
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_WRONG_REGION: Final = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_FULL: Final = frozenset({"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"})
_LATER: Final = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "OperationAborted"}
)
# 408 too slow, 409 a conflict that outlived our tries, 429 too many; 5xx is the server's own fault.
_LATER_STATUS: Final = frozenset({408, 409, 429})
_NO_CREDENTIALS: Final = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ProfileNotFound,
)
_NO_ANSWER: Final = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError)
_CREDENTIALS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of this machine"
_ENDPOINT: Final = "See whether AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names an S3 store."


@dataclass(frozen=True)
class Place:
    """Where in S3 a store lies; `endpoint` is empty until it is known."""

    bucket: str
    prefix: str
    endpoint: str = ""

    def __str__(self) -> str:
        parts = urlsplit(self.endpoint)
        # without user and password, which a URL may hold
        shown = f" at {parts.scheme}://{parts.netloc.rpartition('@')[2]}" if self.endpoint else ""
        return f"bucket {self.bucket!r}{shown}"


@contextmanager
def s3_errors(what: str, operation: str, place: Place) -> Iterator[None]:
    """Turns every error of botocore in its body into the error that says who acts.

    Args:
        what: what did not happen, a clause without a full stop: "Object 'x' was not written".
        operation: the S3 operation, for errors that do not name their own.

    Raises:
        StoreRefused: no permission, no such bucket, no or wrong credentials, wrong clock or region.
        StoreUnavailable: no answer, too slow an answer, or one that asks to come later.
        IntegrityError: the bytes that came are not those of the checksum that came with them.
    """
    try:
        yield
    except boto.ClientError as error:
        raise answered_error(what, error, place) from error
    except (boto.BotoCoreError, ResponseParserError) as error:
        raise client_error(what, operation, error, place) from error


def code_of(error: boto.ClientError) -> str:
    """S3's own name of the error; after a HEAD, whose answer has no body, the status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of the answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def answered_error(what: str, error: boto.ClientError, place: Place) -> MoorageError:
    """The error that says who acts on an answer of the store."""
    code, status, operation = code_of(error), status_of(error), error.operation_name
    happened = f"{what}: {place} answered {operation} with {code or status}{_said(error)}."
    if code in _FORBIDDEN:
        return StoreRefused(happened, "", _grant(operation, place))
    if code == "NoSuchBucket":
        return StoreRefused(happened, "", "Create the bucket, or name one that exists.")
    if code in _UNKNOWN_KEYS:
        return StoreRefused(happened, "", f"Check the credentials: {_CREDENTIALS}.")
    if code in _EXPIRED:
        return StoreRefused(happened, "", "Log in again, or renew AWS_SESSION_TOKEN.")
    if code == "RequestTimeTooSkewed":
        mend = "Set the clock of this machine (NTP), or that of the store."
        return StoreRefused(happened, "S3 takes requests whose time differs by 15 minutes at most.", mend)
    if code in _WRONG_REGION:
        return StoreRefused(happened, "", "Set AWS_DEFAULT_REGION to the region of the bucket.")
    if code in _FULL or status == 507:
        return StoreRefused(happened, "", "Free some space in the store or raise its quota, and do it again.")
    if code == "KeyTooLongError":
        return InvalidName(happened, "", "Choose a shorter name.")
    if code == "NotImplemented" or status == 501:
        return StoreRefused(happened, "The store does not know this request.", "Use a store that does.")
    if code in _LATER or status in _LATER_STATUS or status >= 500:
        return StoreUnavailable(happened, "", "Do it again a little later; if it stays, look at the store's log.")
    return StoreRefused(happened, "", f"{_ENDPOINT} If it does, look at the store's log.")


def client_error(
    what: str, operation: str, error: boto.BotoCoreError | ResponseParserError, place: Place
) -> MoorageError:
    """The error that says who acts when there was no answer of S3's."""
    if isinstance(error, _NO_CREDENTIALS):
        return StoreRefused(
            f"{what}: there are no usable credentials for {place} ({_one_line(error)}).", "", f"Set {_CREDENTIALS}."
        )
    if isinstance(error, boto.NoRegionError | boto.InvalidRegionError):
        return StoreRefused(f"{what}: {_one_line(error)}.", "", "Set AWS_DEFAULT_REGION to the region of the bucket.")
    if isinstance(error, boto.FlexibleChecksumError):
        return IntegrityError(
            f"{what}: {_one_line(error)}.",
            "An object is what its checksum says.",
            "Restore it from a backup of the store.",
        )
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        mend = "Set AWS_CA_BUNDLE to the certificates that the store is signed with."
        return StoreRefused(f"{what}: the certificate of {place} is not trusted.", "", mend)
    if isinstance(error, _NO_ANSWER):
        # Not the error's own text: it holds the URL, and with it what a URL may hold.
        happened = f"{what}: {place} did not answer {operation} ({type(error).__name__})."
        return StoreUnavailable(happened, "", f"See whether the store runs. {_ENDPOINT}")
    if isinstance(error, ResponseParserError):
        return StoreRefused(f"{what}: {place} answered {operation} with what is not S3.", "", _ENDPOINT)
    return StoreRefused(f"{what}: {_one_line(error)}.", "", f"Check the settings of boto3 for {place}.")


def _grant(operation: str, place: Place) -> str:
    # Everything else we call is part of an upload.
    action = _ACTIONS.get(operation, "s3:PutObject")
    below = f"{place.prefix}/*" if place.prefix else "*"
    bucket = f"arn:aws:s3:::{place.bucket}"
    if action in _ON_BUCKETS:
        return f"Grant {action} on {bucket}."
    if action == "s3:GetObject":
        listing = f"s3:ListBucket on {bucket}, without which S3 refuses what does not exist"
        return f"Grant {action} on {bucket}/{below}, and {listing}."
    return f"Grant {action} on {bucket}/{below}."


def _said(error: boto.ClientError) -> str:
    message = _one_line(error.response.get("Error", {}).get("Message", ""))
    return f" ({message})" if message else ""


def _one_line(said: object) -> str:
    return " ".join(str(said).split()).rstrip(".")
