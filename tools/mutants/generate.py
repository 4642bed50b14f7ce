"""Every single change of a module's decisions, made on its syntax tree."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Change = tuple[str, Callable[[], ast.expr]]
"""Operator, and what makes the expression that takes the place of the present one."""

BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
# What only words a message or describes a type decides nothing.
SKIPPED = (ast.JoinedStr, ast.Raise, ast.Assert)
# How often something is looked at and how long a text may be decide nothing either.
UNDECIDED = ("_POLL_INTERVAL", "_LIMIT")


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Attributes:
        where: Qualified name of the function, class or variable that changes.
        operator: Kind of the change.
        before: The expression as it is.
        after: The expression that takes its place.
        nth: Counts mutants that are equal in all else, from 0.
        statement: Index of the changed top-level statement in the module.
        source: That statement after the change.
    """

    where: str
    operator: str
    before: str
    after: str
    nth: int
    statement: int
    source: str

    @property
    def key(self) -> str:
        """What names the mutant wherever its lines move."""
        count = f" #{self.nth}" if self.nth else ""
        return f"{self.where}: {self.operator}: {self.before} -> {self.after}{count}"


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module's source, in its order."""
    found: list[Mutant] = []
    counts: dict[tuple[str, str, str, str], int] = {}
    for index, statement in enumerate(ast.parse(source).body):
        for where, operator, before, after, changed in _changed(statement):
            identity = (where, operator, before, after)
            nth = counts[identity] = counts.get(identity, -1) + 1
            found.append(Mutant(*identity, nth, index, changed))
    return found


def _changed(statement: ast.stmt) -> Iterator[tuple[str, str, str, str, str]]:
    name = _name(statement)
    if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement) or name == "__all__":
        return
    if name.endswith(UNDECIDED):
        return
    for path, where, node in _expressions(statement, name):
        for operator, make in _changes(node):
            tree = copy.deepcopy(statement)
            replacement = make()
            _put(tree, path, replacement)
            yield (
                where,
                operator,
                ast.unparse(node),
                ast.unparse(replacement),
                ast.unparse(ast.fix_missing_locations(tree)),
            )


Path = tuple[tuple[str, int | None], ...]


def _expressions(node: ast.AST, where: str, path: Path = ()) -> Iterator[tuple[Path, str, ast.expr]]:
    """Every expression that may change, with its place in the tree and the name of what it is part of."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "bases"}:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if not isinstance(child, ast.AST) or isinstance(child, SKIPPED) or _is_text(child):
                continue
            if isinstance(node, ast.ClassDef) and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue  # fields and members are declarations
            inside = where
            if path or name == "body":
                inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""
                inside = f"{where}.{inner}" if inner else where
            here = (*path, (name, index))
            if isinstance(child, ast.expr):
                yield here, inside, child
            yield from _expressions(child, inside, here)


def _changes(node: ast.expr) -> Iterator[Change]:
    yield from _of_conditions(node)
    yield from _of_values(node)


def _of_conditions(node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[op], comparators=[right]) if type(op) in BOUNDARIES:
            yield "compare", lambda: ast.Compare(node.left, [BOUNDARIES[type(op)]()], [right])
        case ast.BoolOp(op=word, values=values):
            other = ast.Or if isinstance(word, ast.And) else ast.And
            yield "logic", lambda: ast.BoolOp(other(), values)
            for index in range(len(values)):
                rest = values[:index] + values[index + 1 :]
                yield "drop", lambda rest=rest: rest[0] if len(rest) == 1 else ast.BoolOp(word, rest)  # type: ignore[misc]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield "unary", lambda: operand
        case ast.IfExp(body=body, orelse=orelse):
            yield "choice", lambda: body
            yield "choice", lambda: orelse
        case _:
            return


def _of_values(node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.BinOp(op=op) if type(op) in ARITHMETIC and not _is_text_operation(node):
            yield "arithmetic", lambda: ast.BinOp(node.left, ARITHMETIC[type(op)](), node.right)
        case ast.Constant(value=bool() as value):
            yield "constant", lambda: ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield "constant", lambda: ast.Constant(value + 1)
        case ast.Constant(value=float() as value):
            yield "constant", lambda: ast.Constant(value * 1.5 or 1.0)
        case ast.Call(func=ast.Name(id=name)) if name in TWINS:
            yield "twin", lambda: ast.Call(ast.Name(TWINS[name], ast.Load()), node.args, node.keywords)
        case ast.Set(elts=elements) if len(elements) > 1:
            for index in range(len(elements)):
                yield "element", lambda index=index: ast.Set(elements[:index] + elements[index + 1 :])  # type: ignore[misc]
        case _:
            return


def _put(tree: ast.AST, path: Path, replacement: ast.expr) -> None:
    for name, index in path[:-1]:
        value = getattr(tree, name)
        tree = value if index is None else value[index]
    name, index = path[-1]
    if index is None:
        setattr(tree, name, replacement)
    else:
        getattr(tree, name)[index] = replacement


def _name(statement: ast.stmt) -> str:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return "module"


def _is_text(node: ast.AST) -> bool:
    """Whether a statement or expression is a docstring or another bare text."""
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_text_operation(node: ast.BinOp) -> bool:
    return any(_is_text(side) or isinstance(side, ast.JoinedStr) for side in (node.left, node.right))
