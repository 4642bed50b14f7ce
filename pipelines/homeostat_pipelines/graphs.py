"""Parts of a model as one ONNX graph from raw features to the output of the task."""

from collections.abc import Callable, Sequence

import onnx
from onnx import helper

OPSET = {"": 18, "ai.onnx.ml": 3}

_PREFIX = "homeostat."
"""Of names in the graph that are not its inputs or its output; names of features have no dot."""


def joined(parts: Sequence[onnx.GraphProto], inputs: Sequence[str], output: str) -> bytes:
    """A model of parts, each of which takes the last output of the one before.

    Args:
        parts: The first takes the features, each other one a single tensor.
        inputs: Names of the features, in the order of the inputs of the first part.
        output: Name of the last output of the last part.
    """
    graph = onnx.GraphProto(name="homeostat")
    handed: list[str] = list(inputs)
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        given = output if last else f"{_PREFIX}{index}"
        rename = _renaming(part, handed, given, f"{_PREFIX}{index}.")
        for value in part.initializer:
            graph.initializer.add().CopyFrom(value)
            graph.initializer[-1].name = rename(value.name)
        for node in _needed(part):
            added = graph.node.add()
            added.CopyFrom(node)
            added.name = f"{_PREFIX}{index}.{node.name or len(graph.node)}"
            added.input[:] = map(rename, node.input)
            added.output[:] = map(rename, node.output)
        handed = [given]
    for name, value in zip(inputs, parts[0].input, strict=True):
        graph.input.add().CopyFrom(value)
        graph.input[-1].name = name
    graph.output.add().CopyFrom(parts[-1].output[-1])
    graph.output[-1].name = output
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="homeostat")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _renaming(part: onnx.GraphProto, inputs: Sequence[str], output: str, prefix: str) -> Callable[[str], str]:
    """New names of the tensors of a part: its inputs are handed to it, everything else is its own."""
    known = {each.name: name for each, name in zip(part.input, inputs, strict=True)} | {part.output[-1].name: output}

    def renamed(name: str) -> str:
        return known.get(name) or (f"{prefix}{name}" if name else "")  # an optional input that is absent has none

    return renamed


def _needed(part: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the last output follows from: converters of classifiers also give the label."""
    wanted, nodes = {part.output[-1].name}, []
    for node in reversed(part.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            nodes.append(node)
    return nodes[::-1]
