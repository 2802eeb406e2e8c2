"""What one process talks to S3 with: boto3's client, told to write only what is absent, and threads for parts.

Where the store is and who we are is boto3's own affair: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_PROFILE, AWS_* and
its configuration files.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

from moorage.errors import StoreRefused
from moorage.store.budget import Budget
from moorage.store.s3_errors import Place, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from moorage.store.s3_fast import FastBytes

# How many requests a store sends at once; more than ten parts of one object buy nothing on a fast line.
MAX_REQUESTS: Final = 32
MAX_PARTS: Final = 10
# What is read of files and not sent yet, of all uploads of a process together.
MEMORY_BYTES: Final = 96 << 20
_CONNECT_TIMEOUT_S: Final = 10
# Also for the threads that send parts, and for looking up what is sent; what is beyond is opened and dropped.
_MAX_SOCKETS: Final = MAX_REQUESTS + 2 * MAX_PARTS
# What writes an object. CopyObject takes the condition since 2025; a store that ignores it there overwrites one
# object with the same content.
_WRITES: Final = ("PutObject", "CompleteMultipartUpload", "CopyObject")


@dataclass(frozen=True)
class Connection:
    """What one process talks to S3 with; none of it may be used after a fork.

    Attributes:
        parts: the threads that send parts.
        memory: the bytes that they may hold together.
        fast: moves single objects where obstore is installed; boto3 takes over whatever it cannot do.
    """

    client: S3Client
    parts: ThreadPoolExecutor
    memory: Budget
    place: Place
    fast: FastBytes | None


def connect(place: Place, *, timeout_s: float, fast: bool | None) -> Connection:
    """A connection to the bucket; nothing is sent yet.

    Args:
        timeout_s: how long to wait for the next byte of an answer before the request is repeated.
        fast: whether obstore moves single objects; None: where it is installed.

    Raises:
        StoreRefused: the endpoint is no URL, or boto3's settings do not fit together.
    """
    session = Session()
    session.register_component("data_loader", _loader())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_timestamp)
    config = Config(
        # We know what we send; to have it looked over takes a tenth of a small request's time.
        parameter_validation=False,
        # How often, AWS_MAX_ATTEMPTS says. And with an endpoint of one's own, botocore puts the bucket into the path.
        retries={"mode": "adaptive"},
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=timeout_s,
        max_pool_connections=_MAX_SOCKETS,
    )
    try:
        client = cast("S3Client", session.create_client("s3", config=config))
        endpoint = client.meta.endpoint_url
        # Where there is no TLS, botocore hashes every body on top of its checksum: three times the CPU.
        if urlsplit(endpoint).scheme == "http":
            unhashed = config.merge(Config(s3={"payload_signing_enabled": False}))
            client = cast("S3Client", session.create_client("s3", config=unhashed))
    except ValueError as error:
        mend = "Set AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL to one like https://s3.example.org."
        raise StoreRefused(f"The store in {place} was not opened: its endpoint is no URL.", "", mend) from error
    _write_only_if_absent(client)
    place = replace(place, endpoint=endpoint)
    return Connection(
        client,
        ThreadPoolExecutor(MAX_PARTS, thread_name_prefix="moorage-parts"),
        Budget(MEMORY_BYTES),
        place,
        None if fast is False or _is_google(endpoint) else _fast(session, client, place, timeout_s),
    )


def open_connection(place: Place, *, timeout_s: float, fast: bool | None, url: str) -> Connection:
    """`connect`, with every error of botocore in our words."""
    with s3_errors(f"{url} was not opened", "the client", place):
        return connect(place, timeout_s=timeout_s, fast=fast)


@cache
def _loader() -> Loader:
    # One for all stores of a process: to read what S3 is takes botocore a tenth of a second.
    return Loader()


def _parse_timestamp(text: str) -> datetime:
    # A tenth of the time that botocore's own takes, which a list of a thousand objects spends for the most part.
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        found = parse_timestamp(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fast(session: Session, client: S3Client, place: Place, timeout_s: float) -> FastBytes | None:
    # Looked for, not tried: of two threads that import a module which fails, one may find half of it.
    if find_spec("obstore") is None:
        return None
    from moorage.store.s3_fast import FastBytes

    return FastBytes.of(session, region=client.meta.region_name, place=place, timeout_s=timeout_s)


def _write_only_if_absent(client: S3Client) -> None:
    # By events: no request that writes can be forgotten. Typed Any: the stubs know no handler that returns the
    # parameters.
    events: Any = client.meta.events
    for operation in _WRITES:
        if _is_google(client.meta.endpoint_url):
            # Unverified: Google's interoperable API is said to know its own header only, on PUT.
            events.register(f"before-call.s3.{operation}", _if_generation_zero)
        else:
            events.register(f"provide-client-params.s3.{operation}", _if_none_match)


def _is_google(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host == "storage.googleapis.com" or host.endswith(".storage.googleapis.com")


def _if_none_match(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "IfNoneMatch": "*"}


def _if_generation_zero(params: dict[str, Any], **_: Any) -> None:
    params["headers"]["x-goog-if-generation-match"] = "0"
