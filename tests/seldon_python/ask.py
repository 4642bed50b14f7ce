"""Runs in Seldon's environment: makes calls by `SeldonClient`, read as JSON from stdin, and prints what it gave for each.

A call is {"client": settings of the client, "method": of its methods, "with": arguments}; data become an array.
"""

import json
import sys
from typing import Any

import numpy as np
from seldon_core.seldon_client import SeldonClient
from seldon_core.utils import seldon_message_to_json


def asked(call: dict[str, Any]) -> dict[str, Any]:
    arguments = call["with"]
    if "data" in arguments:
        arguments["data"] = np.array(arguments["data"], dtype=object if arguments.get("payload_type") else float)
    found = getattr(SeldonClient(**call["client"]), call["method"])(**arguments)
    response = found.response
    if response is not None and not isinstance(response, dict):
        response = seldon_message_to_json(response)
    return {"success": found.success, "msg": found.msg, "response": response}


if __name__ == "__main__":
    print(json.dumps([asked(call) for call in json.load(sys.stdin)]))  # noqa: T201 - what the caller reads
