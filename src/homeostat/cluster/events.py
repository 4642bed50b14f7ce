"""Kubernetes Events as manifests."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from homeostat.api.common import format_time, truncated
from homeostat.cluster import ListObjects, Manifest

EVENT = ("v1", "Event")


def warnings_about(objects: ListObjects, namespace: str, uids: Iterable[str]) -> list[Manifest]:
    """Events of type Warning about objects of a namespace, by their uids."""
    return [
        event
        for uid in uids
        for event in objects(*EVENT, namespace, fields={"involvedObject.uid": uid, "type": "Warning"})
    ]


def event_manifest(
    manifest: Manifest, type_: str, reason: str, message: str, now: datetime, component: str
) -> Manifest:
    """The Event of one message about one state of an object.

    Its name follows from all of them, so that reporting it again conflicts with the first and changes nothing.

    Args:
        manifest: The object, as read.
        type_: Normal or Warning.
        reason: One word for machines.
        message: A sentence for people; cut to the API server's limit.
        now: Time of the event.
        component: Who reports it.
    """
    meta = manifest["metadata"]
    identity = f"{meta['uid']}/{meta['resourceVersion']}/{type_}/{reason}/{message}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}",
            "namespace": meta["namespace"],
        },
        "involvedObject": {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
        },
        "type": type_,
        "reason": reason,
        "message": truncated(message),  # the API server refuses a longer one
        "source": {"component": component},
        "firstTimestamp": format_time(now),
        "lastTimestamp": format_time(now),
        "count": 1,
    }
