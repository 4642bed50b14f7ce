"""The in-memory twin of the reviews; the contract suite holds it to what the API server does."""

from dataclasses import dataclass, field

from homeostat_services.access.ports import Access, Caller, ReviewsUnavailable


@dataclass
class MemoryReviews:
    """`Reviews` from two tables: users by token, and rights as (user, access) without a name, as RBAC roles give them."""

    users: dict[str, str] = field(default_factory=dict)
    rights: set[tuple[str, Access]] = field(default_factory=set)
    up: bool = True
    calls: list[str] = field(default_factory=list)

    def authenticate(self, token: str) -> Caller | None:
        """See `Reviews.authenticate`."""
        self._answer("authenticate")
        name = self.users.get(token)
        return None if name is None else Caller(name)

    def is_allowed(self, caller: Caller, access: Access) -> bool:
        """See `Reviews.is_allowed`."""
        self._answer("is_allowed")
        unnamed = Access(access.verb, access.resource, access.namespace, access.subresource, group=access.group)
        return (caller.name, unnamed) in self.rights or (caller.name, access) in self.rights

    def _answer(self, method: str) -> None:
        self.calls.append(method)
        if not self.up:
            raise ReviewsUnavailable("the API server is down; try again in a few seconds")
