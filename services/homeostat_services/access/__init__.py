"""Who calls, and may they: TokenReview and SubjectAccessReview for the observer, the features service and the console.

`ports` says what is asked, `kubernetes` asks the API server, `memory` is its twin for tests, `guard` caches and refuses.
"""

from homeostat_services.access.guard import Guard, bearer_token
from homeostat_services.access.ports import (
    Access,
    Caller,
    Forbidden,
    Refused,
    Reviews,
    ReviewsUnavailable,
    Unauthenticated,
)

__all__ = [
    "Access",
    "Caller",
    "Forbidden",
    "Guard",
    "Refused",
    "Reviews",
    "ReviewsUnavailable",
    "Unauthenticated",
    "bearer_token",
]
