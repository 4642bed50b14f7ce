"""Caches the reviews for a short time and refuses whoever lacks a right."""

import asyncio
import hashlib
import time
from collections.abc import Callable

from cachetools import TLRUCache

from homeostat_services.access.ports import Access, Caller, Forbidden, Reviews, Unauthenticated

GRANTED_SECONDS = 30.0
"""How long a revoked token or right may still work."""

REFUSED_SECONDS = 5.0
"""How long a newly granted right may still be refused."""

ANONYMOUS = (
    "this request carries no token; send the header 'Authorization: Bearer <token>', with a token from "
    "'kubectl -n <namespace> create token <serviceaccount>'"
)
UNACCEPTED = (
    "the API server does not accept this token (expired, or of another cluster); make a new one with "
    "'kubectl -n <namespace> create token <serviceaccount>'"
)


class NotReviewed:
    """Marks a token that no review was made of; None is one that the API server does not accept."""


NOT_REVIEWED = NotReviewed()


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header; None when there is none of type Bearer."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Guard:
    """Answers who calls and whether they may, from the API server or a cache of its last answers.

    Nothing is answered while the API server is down and the cache is old: `ReviewsUnavailable` goes through.
    """

    def __init__(self, reviews: Reviews, clock: Callable[[], float] = time.monotonic, size: int = 4096) -> None:
        def expiry(_key: object, value: object, now: float) -> float:
            return now + (GRANTED_SECONDS if value else REFUSED_SECONDS)

        self._reviews = reviews
        # Keyed by hash, so that a memory dump holds no tokens.
        self._callers: TLRUCache[bytes, Caller | NotReviewed | None] = TLRUCache(size, expiry, timer=clock)
        self._rights: TLRUCache[tuple[Caller, Access], bool] = TLRUCache(size * 4, expiry, timer=clock)

    async def authenticate(self, token: str | None) -> Caller:
        """The user of a token.

        Raises:
            Unauthenticated: No token, or one that the API server does not accept.
            ReviewsUnavailable: The API server gave no answer.
        """
        if not token:
            raise Unauthenticated(ANONYMOUS)
        key = hashlib.sha256(token.encode()).digest()
        caller = self._callers.get(key, NOT_REVIEWED)
        if isinstance(caller, NotReviewed):
            caller = await asyncio.to_thread(self._reviews.authenticate, token)
            self._callers[key] = caller
        if caller is None:
            raise Unauthenticated(UNACCEPTED)
        return caller

    async def is_allowed(self, caller: Caller, access: Access) -> bool:
        """Whether the caller has the right.

        Raises:
            ReviewsUnavailable: The API server gave no answer.
        """
        allowed = self._rights.get((caller, access))
        if allowed is None:
            allowed = await asyncio.to_thread(self._reviews.is_allowed, caller, access)
            self._rights[caller, access] = allowed
        return allowed

    async def require(self, caller: Caller, access: Access) -> None:
        """Refuses a caller without the right.

        Raises:
            Forbidden: No right; the text says how to grant it.
            ReviewsUnavailable: The API server gave no answer.
        """
        if not await self.is_allowed(caller, access):
            raise Forbidden(caller, access)
