"""What a caller may see: the console reads with its own rights, and shows no more than the caller's."""

from homeostat.api.v1alpha1 import KINDS
from homeostat_services.access import Access, Caller, Guard


async def listable(guard: Guard, caller: Caller, namespace: str) -> frozenset[str]:
    """Plurals that the caller may list in a namespace."""
    return frozenset([k.PLURAL for k in KINDS if await guard.is_allowed(caller, Access("list", k.PLURAL, namespace))])


async def visible_namespaces(guard: Guard, caller: Caller, namespaces: list[str]) -> list[str]:
    """Those of the namespaces in which the caller may list any kind."""
    return [namespace for namespace in namespaces if await listable(guard, caller, namespace)]
