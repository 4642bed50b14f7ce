"""The port to the API server's two reviews, and the refusals that follow from them."""

from dataclasses import dataclass, field
from typing import Protocol

from homeostat.api.common import GROUP


@dataclass(frozen=True)
class Caller:
    """An authenticated user, as the API server knows it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Access:
    """One thing that a caller wants to do with a kind of the group homeostat.dev."""

    verb: str
    resource: str
    namespace: str
    subresource: str = ""
    name: str = ""
    group: str = field(default=GROUP)

    @property
    def target(self) -> str:
        """The resource as RBAC and kubectl spell it, for example ``modeldeployments.homeostat.dev/outcomes``."""
        return f"{self.resource}.{self.group}" + (f"/{self.subresource}" if self.subresource else "")


class Reviews(Protocol):
    """What the API server is asked; both methods block, so call them in a worker thread."""

    def authenticate(self, token: str) -> Caller | None:
        """The user of a bearer token; None when the token is not valid.

        Raises:
            ReviewsUnavailable: The API server gave no answer.
        """
        ...

    def is_allowed(self, caller: Caller, access: Access) -> bool:
        """Whether the caller has the right.

        Raises:
            ReviewsUnavailable: The API server gave no answer.
        """
        ...


class Refused(Exception):  # noqa: N818 - its subclasses are named for what the caller is told
    """A request that is not served; the text says what to do about it."""

    status = 403


class Unauthenticated(Refused):
    """Nobody the API server knows."""

    status = 401


class Forbidden(Refused):
    """Known, but without the right."""

    def __init__(self, caller: Caller, access: Access) -> None:
        thing = f"{access.resource}{'/' + access.subresource if access.subresource else ''}"
        named = f" {access.name!r}" if access.name else ""
        super().__init__(
            f"user {caller.name!r} may not {access.verb} {thing}{named} in namespace {access.namespace!r}; "
            f"grant it: {grant(caller, access)}"
        )


class ReviewsUnavailable(Refused):
    """The API server could not be asked: nothing is served, never open."""

    status = 503


def grant(caller: Caller, access: Access) -> str:
    """The kubectl commands that give exactly the missing right."""
    role = "-".join(filter(None, ("homeostat", access.verb, access.resource, access.subresource)))
    account = caller.name.removeprefix("system:serviceaccount:")
    subject = f"--serviceaccount={account}" if account != caller.name else f"--user={caller.name}"
    return (
        f"kubectl -n {access.namespace} create role {role} --verb={access.verb} --resource={access.target} && "
        f"kubectl -n {access.namespace} create rolebinding {role}-{account.replace(':', '-').replace('@', '-')} "
        f"--role={role} {subject}"
    )
