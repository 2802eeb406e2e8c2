"""What stores say that none here can be made to say: each is told to whoever acts."""

from __future__ import annotations

import boto3
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from moto import mock_aws

from moorage.errors import IntegrityError, InvalidName, StoreRefused, StoreUnavailable
from moorage.store.s3 import S3Store
from moorage.store.s3_errors import Place, s3_errors

PLACE = Place("models", "team/a", "https://user:hush@s3.example.org")


def answer(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "so\nit is."}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )


ANSWERS = [
    ("AccessDenied", 403, StoreRefused, r"Grant s3:PutObject on arn:aws:s3:::models/team/a/\*"),
    ("NoSuchBucket", 404, StoreRefused, "Create the bucket"),
    ("ExpiredToken", 400, StoreRefused, "Log in again, or renew AWS_SESSION_TOKEN"),
    ("PermanentRedirect", 301, StoreRefused, "Set AWS_DEFAULT_REGION"),
    ("AuthorizationHeaderMalformed", 400, StoreRefused, "Set AWS_DEFAULT_REGION"),
    ("XMinioStorageFull", 507, StoreRefused, "Free some space"),
    ("KeyTooLongError", 400, InvalidName, "shorter name"),
    ("NotImplemented", 501, StoreRefused, "Use a store that does"),
    ("TooManyRequests", 429, StoreUnavailable, "a little later"),
    ("InvalidRequest", 400, StoreRefused, "names an S3 store"),
]


@pytest.mark.parametrize(("code", "status", "kind", "mend"), ANSWERS, ids=[code for code, *_ in ANSWERS])
def test_an_answer_tells_who_acts_and_how(code: str, status: int, kind: type[Exception], mend: str) -> None:
    said = rf"Object 'x' was not written: bucket 'models' at https://s3.example.org answered PutObject with {code}"
    with (
        pytest.raises(kind, match=rf"^{said} \(so it is\)\..*{mend}"),
        s3_errors("Object 'x' was not written", "", PLACE),
    ):
        raise answer(code, status)


FAILURES = [
    (
        boto.PartialCredentialsError(provider="env", cred_var="key"),
        StoreRefused,
        "no usable credentials.*Set AWS_ACCESS",
    ),
    (boto.UnauthorizedSSOTokenError(), StoreRefused, "no usable credentials"),
    (boto.NoRegionError(), StoreRefused, "Set AWS_DEFAULT_REGION"),
    (boto.SSLError(endpoint_url="u", error=OSError("CERTIFICATE_VERIFY_FAILED")), StoreRefused, "Set AWS_CA_BUNDLE"),
    (boto.SSLError(endpoint_url="u", error=OSError("EOF")), StoreUnavailable, "did not answer PutObject"),
    (boto.ConnectTimeoutError(endpoint_url="u"), StoreUnavailable, r"\(ConnectTimeoutError\).*AWS_ENDPOINT_URL"),
    (boto.FlexibleChecksumError(error_msg="Expected 1, was 2"), IntegrityError, "Expected 1, was 2.*backup"),
    (boto.ParamValidationError(report="bad"), StoreRefused, "Check the settings of boto3"),
]


@pytest.mark.parametrize(("error", "kind", "message"), FAILURES, ids=[type(error).__name__ for error, *_ in FAILURES])
def test_a_failure_without_an_answer_tells_who_acts(error: Exception, kind: type[Exception], message: str) -> None:
    expected = pytest.raises(kind, match=f"^'x' was not written: .*{message}")
    with expected as caught, s3_errors("'x' was not written", "PutObject", PLACE):
        raise error
    assert "hush" not in str(caught.value)


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(OSError, match="of the caller"), s3_errors("", "", PLACE):
        raise OSError("of the caller")


@mock_aws
def test_without_an_endpoint_of_its_own_a_store_is_at_amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    boto3.session.Session(region_name="us-east-1").client("s3").create_bucket(Bucket="models")
    store = S3Store("models")
    assert store.put_if_absent("a/b", b"one")
    assert not store.put_if_absent("a/b", b"two")
    assert (store.get("a/b"), [found.key for found in store.list("")]) == (b"one", ["a/b"])
    with pytest.raises(StoreRefused, match=r"bucket 'other' at https://s3(\.\S+)?\.amazonaws\.com .*NoSuchBucket"):
        S3Store("other").get("a")
