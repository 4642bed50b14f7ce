"""Programs that the documentation calls: each command is held against what its program takes."""

import argparse
import ast
import builtins
import importlib.util
import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ValidationError

from homeostat_services.console.trigger import TrainingRequest
from homeostat_services.features.app import Lookup
from homeostat_services.observer.messages import Business, Outcomes, Predictions
from homeostat_services.predictor import seldon as seldon_protocol
from homeostat_services.predictor.protocol import InferRequest
from homeostat_services.predictor.routes import MODEL, VERSION
from tools.reference import routes
from unit.documentation import kubectl
from unit.documentation.pages import REPOSITORY
from unit.documentation.shell import Command, Invalid, is_placeholder, options

MAKEFILE = (REPOSITORY / "Makefile").read_text()
TOOLS = "".join(path.read_text() for path in (REPOSITORY / "tools").rglob("*.py"))
TARGET = re.compile(r"^([a-z0-9-]+(?: [a-z0-9-]+)*):(?!=)", re.MULTILINE)
CHART = "charts/homeostat"
VALUES = json.loads((REPOSITORY / CHART / "values.schema.json").read_text())
BODIES: dict[str, type[BaseModel] | type[msgspec.Struct]] = {
    "/api/v1/trainingjobs": TrainingRequest,
    "/v1/business": Business,
    "/v1/features/lookup": Lookup,
    "/v1/outcomes": Outcomes,
    "/v1/predictions": Predictions,
    **{f"{path}/infer": InferRequest for path in (MODEL, VERSION)},
    **dict.fromkeys(seldon_protocol.PREDICT, seldon_protocol.SeldonMessage),
}
"""What the routes take."""
OTHERS = {
    "git": {"push": {"--follow-tags"}, "diff": {"v0.1.0", "--", "docs/reference/api.md"}},
    "uv": {"build": {"--wheel"}},
    "skaffold": {"dev": set[str]()},
    "pre-commit": {"install": set[str]()},
}
"""Commands and options of programs that are not ours, as far as the documentation uses them."""


def make(command: Command) -> None:
    """Targets of the Makefile, and variables that it or its tools read."""
    words, _ = options(command.words[1:], set(), set())
    targets = {target for line in TARGET.findall(MAKEFILE) for target in line.split()}
    for word in words:
        variable, equals, _ = word.partition("=")
        if not equals and word not in targets:
            raise Invalid(f"the Makefile has no target {word!r}")
        if equals and f"$({variable})" not in MAKEFILE and f'"{variable}"' not in TOOLS:
            raise Invalid(f"nothing reads the variable {variable!r}")


def helm(command: Command) -> None:
    """The chart, its values and files of values."""
    valued = {"-f", "-n", "--namespace", "--set", "--set-string", "--values", "--version"}
    words, named = options(command.words[1:], valued, {"--create-namespace", "--install", "--wait"})
    if not words:
        if not command.inline:
            raise Invalid("helm needs a command")
    elif words[0] not in {"upgrade", "install", "template", "package", "lint"}:
        raise Invalid(f"helm {words[0]} is not validated")
    charts = words[1:] if words[:1] in (["package"], ["lint"]) else words[2:]
    if charts not in ([], [CHART]) or (not charts and not command.inline):
        raise Invalid(f"the chart is {CHART}, not {' '.join(charts) or 'left out'}")
    for setting in named.get("--set", []) + named.get("--set-string", []):
        _check_value(setting)
    for path in named.get("-f", []) + named.get("--values", []):
        _check_path(command.folder, path)


def setting(command: Command) -> None:
    """`--set` alone, as a sentence names it."""
    helm(Command(command.page, command.line, ("helm", *command.words), inline=True))


def _check_value(text: str) -> None:
    """`a.b=1,c=2`: the chart's schema has each path, or leaves open what is below."""
    for one in re.split(r",(?=[\w.]+=)", text):
        path, equals, _ = one.partition("=")
        if not equals:
            raise Invalid(f"--set {path} gives no value")
        schema: dict[str, Any] = VALUES
        for part in re.sub(r"\[\d+\]", "", path).split("."):
            properties = schema.get("properties")
            if properties is None:
                break
            if part not in properties:
                raise Invalid(f"the chart has no value {path}")
            schema = properties[part]
            if reference := schema.get("$ref"):
                schema = VALUES["$defs"][reference.rpartition("/")[2]]


def _check_path(folder: Path, path: str) -> None:
    if not is_placeholder(path) and not (folder / path).exists():
        raise Invalid(f"there is no file {path}")


def python(command: Command) -> None:
    """Modules and the arguments that their parsers take; scripts that exist."""
    words = [word for word in command.words[1:] if word != "-O"]
    match words:
        case []:
            return
        case ["-m", module, *arguments]:
            # `<a|b>` stands for each of its alternatives.
            choices = [word[1:-1].split("¦") if word.startswith("~") else [word] for word in arguments]
            if message := _refusal(module, tuple(product(*choices))):
                raise Invalid(message)
        case [script, *_] if not script.startswith("-"):
            _check_path(command.folder, script)
        case _:
            raise Invalid(f"{words[0]} is not validated")


def _refusal(module: str, variants: tuple[tuple[str, ...], ...]) -> str:
    """What the parser of a module of ours says against arguments; empty when it takes them all."""
    try:
        spec = importlib.util.find_spec(module)
        spec = importlib.util.find_spec(f"{module}.__main__") if spec and spec.submodule_search_locations else spec
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        return f"there is no module {module}"
    source = Path(spec.origin).read_text()
    if "argparse" not in source:
        return f"{module} takes no arguments" if any(variants) else ""
    said = io.StringIO()
    with patch.object(argparse.ArgumentParser, "parse_args", _only_parses(variants)), redirect_stderr(said):
        try:
            exec(compile(source, spec.origin, "exec"), {**MAIN, "__file__": spec.origin})  # noqa: S102
        except SystemExit as end:
            return said.getvalue().strip().splitlines()[-1] if end.code else ""
    return f"{module} does not parse its arguments first"


def _only_parses(variants: tuple[tuple[str, ...], ...]) -> Callable[[argparse.ArgumentParser], None]:
    """`parse_args` that ends the program once each variant is parsed."""
    parse = argparse.ArgumentParser.parse_args

    def parse_all(parser: argparse.ArgumentParser) -> None:
        for arguments in variants:
            parse(parser, arguments)
        sys.exit(0)

    return parse_all


def _import(name: str, *rest: Any, **named: Any) -> Any:
    """The standard library and ours; of what a program computes with, the parser needs nothing."""
    if name.partition(".")[0] in sys.stdlib_module_names | {"homeostat", "pydantic"}:
        return builtins.__import__(name, *rest, **named)
    return MagicMock()


MAIN = {"__name__": "__main__", "__builtins__": {**vars(builtins), "__import__": _import}}


_routes = cache(routes)


def curl(command: Command) -> None:
    """Routes of the services, and JSON that the model of the route takes."""
    words, named = options(command.words[1:], {"-X", "-H", "-d", "--data", "--json"}, {"-s", "-f", "--compressed"})
    bodies = named.get("-d", []) + named.get("--data", []) + named.get("--json", [])
    method = next(iter(named.get("-X", [])), "POST" if bodies else "GET")
    for url in words:
        host, path = re.match(r"(\$\w+|…)?(.*)", url).groups()  # type: ignore[union-attr]
        path = urlsplit(path).path
        service = host[1:].lower() if host and host.startswith("$") else ""
        found = [
            route
            for name, listed in _routes().items()
            for route in listed
            if (not service or name in {service, "every service"})
            and route.method == method
            and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", route.path), path)
        ]
        if not found:
            raise Invalid(f"{service or 'no service'} has no route {method} {path}")
        for body in bodies:
            _check_body(found[0].path, body)


def _check_body(path: str, text: str) -> None:
    model = BODIES.get(path)
    if model is None:
        raise Invalid(f"the body of {path} is not validated")
    try:
        document = json.loads(text)
        if issubclass(model, BaseModel):
            model.model_validate(document)
        elif lost := _lost(document, msgspec.to_builtins(msgspec.convert(document, model))):
            raise Invalid(f"{path} does not take {lost}")
    except (ValidationError, msgspec.ValidationError, json.JSONDecodeError) as error:
        raise Invalid(f"{path} does not take the body: {error}") from error


def _lost(sent: Any, kept: Any, path: str = "") -> str:
    """The first key that a model ignores."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        for key, value in sent.items():
            if key not in kept:
                return f"{path}.{key}".lstrip(".")
            if lost := _lost(value, kept[key], f"{path}.{key}"):
                return lost
    return ""


def cd(command: Command) -> None:
    """A folder that exists."""
    _check_path(command.folder, command.words[1])


def grep(command: Command) -> None:
    """What another command prints."""
    options(command.words[1:], set(), {"-i", "-v"})


def seldon(command: Command) -> None:
    """A class in a file of its name, with the parameters of its constructor."""
    (name,), named = options(command.words[1:], {"--service-type", "--parameters"}, set())
    _check_path(command.folder, f"{name}.py")
    (found,) = (
        node
        for node in ast.parse((command.folder / f"{name}.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    (constructor,) = (n for n in found.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    known = {argument.arg for argument in constructor.args.args}
    for parameter in json.loads(named["--parameters"][0]):
        if parameter["name"] not in known:
            raise Invalid(f"{name} has no parameter {parameter['name']!r}")


def other(command: Command) -> None:
    """A program that is not ours."""
    program = Path(command.words[0]).name
    if command.words[0].startswith(".venv/") and program not in (REPOSITORY / "requirements/platform.txt").read_text():
        raise Invalid(f"the environment has no program {program!r}")
    words, named = command.words[1:2], command.words[2:]
    known = OTHERS[program].get(next(iter(words), ""))
    if known is None or not set(named) <= known:
        raise Invalid(f"{' '.join(command.words[1:])!r} is not among what is known of {program}")


PROGRAMS: dict[str, Callable[[Command], None]] = {
    "--set": setting,
    "cd": cd,
    "curl": curl,
    "grep": grep,
    "helm": helm,
    "kubectl": kubectl.check,
    "make": make,
    "python": python,
    "seldon-core-microservice": seldon,
    **dict.fromkeys(OTHERS, other),
    ".venv/platform/bin/pre-commit": other,
}


def problem(command: Command) -> str:
    """What is wrong with a command; empty if nothing is."""
    if command.unreadable:
        return command.unreadable
    validator = PROGRAMS.get(command.words[0])
    if validator is None:
        return f"{command.words[0]!r} is a program that no validator knows; add one to PROGRAMS of programs.py"
    try:
        validator(command)
    except Invalid as error:
        return str(error)
    return ""
