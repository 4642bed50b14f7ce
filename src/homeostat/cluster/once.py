"""Numbered children, which are created once, and whom a child was made for."""

from homeostat.cluster import ClusterAccess, Conflict, Manifest


class NumberTaken(Conflict):
    """The name of a numbered child belongs to something else; the next plan sees that and takes the next number."""


def maker_of(manifest: Manifest) -> str:
    """Uid of the object that a child was made for: its trigger's for a triggered TrainingJob, else its controller's."""
    trigger: str | None = manifest.get("spec", {}).get("trigger", {}).get("ref", {}).get("uid")
    owners = manifest["metadata"].get("ownerReferences", [])
    return trigger or next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def create_once(manifest: Manifest, cluster: ClusterAccess) -> None:
    """Creates a numbered child; one that is there already and is ours is taken as created.

    Raises:
        NumberTaken: The name belongs to something else.
    """
    meta = manifest["metadata"]
    try:
        cluster.create(manifest)
    except Conflict:
        existing = cluster.get(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"])
        if existing is None or maker_of(existing) != maker_of(manifest):
            raise NumberTaken(f"{manifest['kind']} {meta['name']} was not made by us") from None
