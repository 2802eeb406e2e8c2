"""Single objects in and out of S3 by obstore, at a tenth of boto3's CPU; the only module that imports it.

It never decides: what it cannot do, for whatever reason, is left to boto3, which tries again, and says what is wrong.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from moorage.store.s3_errors import Place

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.session import Session

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

# Temporary credentials are asked for again long before they end; those that do not change cost nothing.
_CREDENTIALS_FOR: Final = timedelta(minutes=5)
# The process that obstore's threads live in; a forked child finds its parent here.
_used_by: Final[set[int]] = set()


class FastBytes:
    """Puts and gets of whole keys of one bucket, in the process that made it."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._has_worked = False
        self._is_usable = True

    @classmethod
    def of(cls, session: Session, *, region: str, place: Place, timeout_s: float) -> FastBytes | None:
        """With the credentials and at the endpoint that boto3 has found.

        None where it has no credentials, and in a child that was forked from a process that used obstore: the threads
        that it works with are not there.
        """
        credentials = session.get_credentials()
        _used_by.add(os.getpid())
        if credentials is None or len(_used_by) > 1:
            return None
        config: Any = {
            "bucket": place.bucket,
            "endpoint": place.endpoint,
            "region": region,
            "virtual_hosted_style_request": False,
            # As boto3 has it: the body is hashed on plain HTTP only, where it costs a third of the time.
            "unsigned_payload": True,
            "conditional_put": "etag",
        }
        options: Any = {
            "allow_http": urlsplit(place.endpoint).scheme == "http",
            "timeout": timedelta(seconds=timeout_s),
        }
        # boto3 tries again; twice would be too often.
        retry: Any = {"max_retries": 0}
        provider: Any = _Provider(credentials)
        return cls(S3Store(config=config, client_options=options, retry_config=retry, credential_provider=provider))

    def put(self, key: str, body: bytes) -> bool | None:
        """Writes the object unless the key exists: whether this call did; None: ask boto3."""
        try:
            return self._tried(lambda: bool(obstore.put(self._store, key, body, mode="create", use_multipart=False)))
        except AlreadyExistsError:
            # It says so of a conflict too, which is neither won nor lost: only what is there is lost.
            return False if self._tried(lambda: bool(obstore.head(self._store, key))) else None

    def get(self, key: str, *, start: int, length: int | None) -> bytes | None:
        """The bytes that there are in the range; None: ask boto3."""
        if length is None and start:
            return None
        if length is None:
            return self._tried(lambda: bytes(obstore.get(self._store, key).bytes()))
        return self._tried(lambda: bytes(obstore.get_range(self._store, key, start=start, length=length)))

    def _tried(self, operation: Callable[[], Answer]) -> Answer | None:
        if not self._is_usable:
            return None
        try:
            answer = operation()
        except AlreadyExistsError:
            self._has_worked = True
            raise
        except NotFoundError:
            return None
        except (BaseError, RuntimeError, OSError, ValueError) as error:
            if not self._has_worked:
                # A proxy, a certificate: it will not do better next time.
                logger.debug("obstore cannot be used here, boto3 is: %s", type(error).__name__)
                self._is_usable = False
            return None
        self._has_worked = True
        return answer


class _Provider:
    """Gives obstore the credentials that boto3 has; they are renewed by boto3 alone."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self) -> dict[str, Any]:
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_FOR,
        }
