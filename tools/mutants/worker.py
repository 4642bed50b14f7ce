"""`python -m tools.mutants.worker MODULES TESTS…`: tries mutants of modules with the same tests, in the environment that runs this.

Collects the tests once. Each mutant then lives in a forked child, in which the code of the changed function takes the place
of the real one, so that every name that is already bound to it runs the mutant. Only tests that run the changed function
are tried, the quickest first. Reads modules and mutants' keys from standard input, a tab between the two, one a line, and
writes one JSON line for each.
"""

import argparse
import ast
import inspect
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tools.mutants.generate import Mutant, mutants

KILLED, SURVIVED, TIMEOUT, UNCOVERED = "killed", "survived", "timeout", "uncovered"
LIMIT_SECONDS = 3
"""CPU time of a test beyond five times what it takes without a mutant; an endless loop counts as noticed."""
NOTE = "__note_call__"
PATIENCE_SECONDS = 300
"""For a mutant that waits for something for ever, which takes no CPU time."""


class Plugin:
    """Takes pytest's loop over: every mutant against the collected tests."""

    def __init__(self, modules: list[str]) -> None:
        self.modules = modules

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answers each mutant that standard input names."""
        modules = {name: import_module(name) for name in self.modules}
        chosen = {
            (name, mutant.key): mutant
            for name, module in modules.items()
            for mutant in mutants(Path(str(module.__file__)).read_text())
        }
        coverage = _coverage(session, list(modules.values()))
        # What tests import late is imported once; in a child its seconds would count against the first test.
        for name in coverage["imported"]:
            with suppress(Exception):
                import_module(name)
        print(json.dumps({"baseline": coverage["failed"], "tests": len(session.items)}), file=ANSWERS, flush=True)
        for line in sys.stdin:
            name, key = line.rstrip("\n").split("\t")
            outcome = _try(session, modules[name], chosen[name, key], coverage)
            print(json.dumps({"module": name, "key": key, **outcome}), file=ANSWERS, flush=True)
        return True


class Reports:
    """Keeps what failed."""

    def __init__(self) -> None:
        self.failed: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps the report of a phase that failed."""
        if report.failed:
            self.failed.append(report)


def _try(session: pytest.Session, module: ModuleType, mutant: Mutant, coverage: dict[str, Any]) -> dict[str, str]:
    items = _items_for(session, module.__name__, mutant, coverage)
    if not items:
        return {"outcome": UNCOVERED}
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.setsid()
        _quiet()
        failed = ""
        try:
            transplant(module, mutant)
        except Exception as error:  # noqa: BLE001 - a mutant that cannot even be defined is noticed by every import
            failed = f"import: {error!r}"
        failed = failed or next(_failures(items, coverage["seconds"]), "")
        os.write(writing, failed.encode())
        os._exit(0)
    os.close(writing)
    status = _ended(child, PATIENCE_SECONDS)
    with os.fdopen(reading) as answer:
        failed = answer.read() if status is not None else ""
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
        return {"outcome": TIMEOUT}
    return {"outcome": KILLED, "by": failed or "the process ended"} if failed or status else {"outcome": SURVIVED}


def _ended(child: int, seconds: float) -> int | None:
    """Exit status of a child; None if it had to be killed."""
    end = time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.005)


def _quiet() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def _failures(items: list[pytest.Item], seconds: dict[str, float] | None = None) -> Iterator[str]:
    """Names of the items that fail, as soon as each did; with `seconds`, SIGPROF ends a test that takes far longer."""
    kept = Reports()
    for item in items:
        if seconds is not None:
            signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS + 5 * seconds[item.nodeid])
        item.config.pluginmanager.register(kept)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        item.config.pluginmanager.unregister(kept)
        if kept.failed:
            kept.failed.clear()
            yield item.nodeid


def _coverage(session: pytest.Session, modules: list[ModuleType]) -> dict[str, Any]:
    """What each test runs of the modules, how long it takes, and which fail without any mutant."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _quiet()
        before = set(sys.modules)
        noted: set[str] = set()
        for module in modules:
            note_calls(module, noted)
        ran: dict[str, list[str]] = {}
        seconds: dict[str, float] = {}
        failed: list[str] = []
        for item in session.items:
            noted.clear()
            began = time.process_time()
            failed += _failures([item])
            seconds[item.nodeid], ran[item.nodeid] = time.process_time() - began, sorted(noted)
        with os.fdopen(writing, "w") as answer:
            imported = sorted(set(sys.modules) - before)
            json.dump({"ran": ran, "seconds": seconds, "failed": failed, "imported": imported}, answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return dict(json.loads(text))


def note_calls(module: ModuleType, noted: set[str]) -> None:
    """Makes each function and method of a module note its name when it runs; a tracer would slow every call of every library."""
    vars(module)[NOTE] = noted.add
    for statement in ast.parse(Path(str(module.__file__)).read_text()).body:
        owners = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        prefix = f"{statement.name}." if isinstance(statement, ast.ClassDef) else ""
        functions = [one for one in owners if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        for function in functions:
            name = f"{module.__name__}:{prefix}{function.name}"
            function.body.insert(0, ast.Expr(ast.Call(ast.Name(NOTE, ast.Load()), [ast.Constant(name)], [])))
        if functions:
            _transplant(module, ast.unparse(ast.fix_missing_locations(statement)))


def _items_for(session: pytest.Session, module: str, mutant: Mutant, coverage: dict[str, Any]) -> list[pytest.Item]:
    """The tests that may notice: those that run the function; for a variable, a lambda or a class body, all of them."""
    tree = ast.parse(mutant.source).body[0]
    is_function = isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) or "." in mutant.where
    items = [
        item for item in session.items if not is_function or ran(module, mutant.where, coverage["ran"][item.nodeid])
    ]
    return sorted(items, key=lambda item: coverage["seconds"][item.nodeid])


def ran(module: str, where: str, noted: Sequence[str]) -> bool:
    """Whether a function noted that it ran; for one inside a function the outer one counts, because only that notes it."""
    parts = where.split(".")
    return any(f"{module}:{'.'.join(parts[:length])}" in noted for length in range(1, len(parts) + 1))


def transplant(module: ModuleType, mutant: Mutant) -> None:
    """Makes the mutant the one that runs, wherever the module's names are bound."""
    _renew_defaults(module, mutant.where, _transplant(module, mutant.source))


def _transplant(module: ModuleType, source: str) -> dict[str, Any]:
    """Runs the source of a statement in place of the module's own; the names of the module after it."""
    space = dict(vars(module))
    code = compile(source, str(module.__file__), "exec", flags=_future(module), dont_inherit=True)
    before = dict(space)
    exec(code, space)  # noqa: S102 - our own module
    for name, new in space.items():
        if new is before.get(name) or name == "__builtins__":
            continue
        _replace(name, before.get(name), new)
    return space


def _renew_defaults(module: ModuleType, name: str, space: dict[str, Any]) -> None:
    """Functions read a variable that is the default of an argument when they are defined; they are defined again."""
    for statement in ast.parse(Path(str(module.__file__)).read_text()).body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        defaults = [*statement.args.defaults, *statement.args.kw_defaults]
        if not any(isinstance(default, ast.Name) and default.id == name for default in defaults):
            continue
        function = vars(module)[statement.name]
        code = compile(ast.unparse(statement), str(module.__file__), "exec", flags=_future(module), dont_inherit=True)
        exec(code, space)  # noqa: S102 - our own module
        _become(function, space[statement.name])


def _future(module: ModuleType) -> int:
    return int(getattr(getattr(module, "annotations", None), "compiler_flag", 0))


def _replace(name: str, old: object, new: object) -> None:
    if inspect.isclass(old) and inspect.isclass(new):
        for each, value in vars(new).items():
            mine = _function(vars(old).get(each))
            if mine is not None:
                _become(mine, _function(value))
        return
    mine = _function(old)
    if mine is not None:
        _become(mine, _function(new))
        return
    for module in list(sys.modules.values()):
        if vars(module).get(name, new) is old:
            setattr(module, name, new)


def _function(value: object) -> FunctionType | None:
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    elif not isinstance(value, FunctionType):
        value = getattr(value, "func", value)  # cached_property
    value = inspect.unwrap(value) if callable(value) else value
    return value if isinstance(value, FunctionType) else None


def _become(mine: FunctionType, new: FunctionType | None) -> None:
    if new is None or len(mine.__code__.co_freevars) != len(new.__code__.co_freevars):
        return
    code: CodeType = new.__code__
    mine.__code__, mine.__defaults__, mine.__kwdefaults__ = code, new.__defaults__, new.__kwdefaults__


def main() -> int:
    """Answers mutants until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", help="names, with commas between them")
    parser.add_argument("tests", nargs="+")
    chosen = parser.parse_args()
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "tools.mutants.repeatable", "--no-header", *chosen.tests]
    return int(pytest.main(options, plugins=[Plugin(chosen.modules.split(","))]))


if __name__ == "__main__":
    # What pytest and the tests print goes to standard error; the answers alone to standard output.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.exit(main())
