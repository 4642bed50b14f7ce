"""The in-memory twin of the reviews; the contract suite holds it to what the API server does."""

from dataclasses import dataclass, field

from homeostat_services.access.ports import Access, Caller, ReviewsUnavailable


@dataclass
class MemoryReviews:
    """`Reviews` from two tables: users by token, and rights as (user, access) without a name, as RBAC roles give them."""

    users: dict[str, str] = field(default_factory=dict)
    rights: set[tuple[str, Access]] = field(default_factory=set)
    up: bool = True
    asked: list[str] = field(default_factory=list)

    def who(self, token: str) -> Caller | None:
        """See `Reviews.who`."""
        self._answer("who")
        name = self.users.get(token)
        return None if name is None else Caller(name)

    def may(self, caller: Caller, access: Access) -> bool:
        """See `Reviews.may`."""
        self._answer("may")
        unnamed = Access(access.verb, access.resource, access.namespace, access.subresource, group=access.group)
        return (caller.name, unnamed) in self.rights or (caller.name, access) in self.rights

    def _answer(self, question: str) -> None:
        self.asked.append(question)
        if not self.up:
            raise ReviewsUnavailable("the API server is down; try again in a few seconds")
