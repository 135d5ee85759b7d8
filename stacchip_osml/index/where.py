"""Row conditions as text: ``cloud_fraction < 0.2 and level == 0``.

Python's own grammar is parsed, never run: comparisons, ``in``, ``is None``,
``and``, ``or``, ``not`` over column names and literals. A column whose name is
no identifier stands as it is, or in backticks: ``proj:code == "EPSG:32618"``.
"""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.arrays import is_text

__all__ = ["no_such_name", "parse_where"]

_TEXTS = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""

_COMPARE: dict[type[ast.cmpop], Callable[[pc.Expression, Any], pc.Expression]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
}


def parse_where(text: str, schema: pa.Schema, properties: Collection[str] = ()) -> pc.Expression:
    """Turn a condition into a pyarrow expression.

    Args:
        text: the condition.
        schema: columns that it may name.
        properties: what else could have been named, for messages.

    Raises:
        IndexSchemaError: the text is no condition, or names an unknown column.
    """
    names: list[str] = []
    odd = sorted((name for name in schema.names if name and not name.isidentifier()), key=len, reverse=True)
    bare = "".join(rf"|(?<!\w){re.escape(name)}(?!\w)" for name in odd)

    def stand_in(match: re.Match[str]) -> str:
        if match[0][0] in "'\"":
            return match[0]
        names.append(match[1] or match[0])
        return f"__column_{len(names) - 1}__"

    try:
        tree = ast.parse(re.sub(rf"{_TEXTS}|`([^`]+)`{bare}", stand_in, text.strip()), mode="eval")
        stands_for = {f"__column_{i}__": name for i, name in enumerate(names)}
        return _Where(text, schema, stands_for, properties).visit(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise IndexSchemaError(
            f'where: {text!r} is not a condition such as "cloud_fraction < 0.2 and level == 0", of columns, '
            f"literals, comparisons (== for equal), in, is None, and, or, not, all in small letters: {reason}"
        ) from error


def no_such_name(name: str, columns: Collection[str], properties: Collection[str]) -> str:
    """Say that a name is no column's and no property's, which is most like it, and which there are."""
    near = get_close_matches(name, [*columns, *sorted(properties)], n=1, cutoff=0.7)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    of_items = f"; in items {', '.join(sorted(properties))}" if properties else ""
    return f"no column {name!r}, in no item either{meant}; there are {', '.join(columns)}{of_items}"


class _Where:
    """Walks the syntax tree; everything that is not listed here is refused."""

    def __init__(self, text: str, schema: pa.Schema, names: dict[str, str], properties: Collection[str]) -> None:
        self.text = text
        self.schema = schema
        self.names = names
        self.properties = properties

    def visit(self, node: ast.expr) -> pc.Expression:
        if isinstance(node, ast.BoolOp):
            parts = [self.visit(value) for value in node.values]
            total = parts[0]
            for part in parts[1:]:
                total = total & part if isinstance(node.op, ast.And) else total | part
            return total
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.visit(node.operand)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.Name):
            return self._column(node)
        raise IndexSchemaError(f"where: {ast.unparse(node)!r} in {self.text!r} is not a condition on columns")

    def _compare(self, node: ast.Compare) -> pc.Expression:
        total: pc.Expression | None = None
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            part = self._pair(left, op, right)
            total = part if total is None else total & part
            left = right
        assert total is not None  # noqa: S101 - a comparison has one operator at least
        return total

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pc.Expression:
        if isinstance(op, (ast.Is, ast.IsNot)):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise IndexSchemaError(
                    f"where: 'is' compares with None only, as in 'cloud_fraction is None'; got {self.text!r}"
                )
            null = self._column(left).is_null()
            return null if isinstance(op, ast.Is) else ~null
        if isinstance(op, (ast.In, ast.NotIn)) and isinstance(right, ast.Name):
            word = self._plain(left, right)
            if not isinstance(word, str):
                raise IndexSchemaError(f"where: 'in' looks for a word in a column of text, in {self.text!r}")
            found = pc.match_substring_regex(self._column(right), f"(^|,){re.escape(word)}(,|$)")
            return found if isinstance(op, ast.In) else ~found
        if isinstance(op, (ast.In, ast.NotIn)):
            values = self._values(left, right)
            found = self._column(left).isin(values)
            return found if isinstance(op, ast.In) else ~found
        compare = _COMPARE[type(op)]
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            return compare(self._literal(left, right), self._column(right))
        if isinstance(right, ast.Name):
            return compare(self._column(left), self._column(right))
        return compare(self._column(left), self._literal(right, left))

    def _values(self, column: ast.expr, node: ast.expr) -> list[Any]:
        if not isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            raise IndexSchemaError(f"where: 'in' needs a list, in {self.text!r}")
        return [self._plain(element, column) for element in node.elts]

    def _literal(self, node: ast.expr, column: ast.expr) -> pc.Expression:
        return pc.scalar(self._plain(node, column))

    def _plain(self, node: ast.expr, column: ast.expr) -> Any:
        try:
            value = ast.literal_eval(node)
        except ValueError:
            raise IndexSchemaError(
                f"where: {ast.unparse(node)!r} in {self.text!r} is not a literal; text stands in quotes, as 'a-b'"
            ) from None
        kind = self.schema.field(self._name(column)).type
        if pa.types.is_timestamp(kind) and isinstance(value, str):
            moment = dt.datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        if value is None or not isinstance(value, (str, int, float, bool)):
            raise IndexSchemaError(f"where: {ast.unparse(node)!r} in {self.text!r} must be text or a number")
        if is_text(kind) != isinstance(value, str):
            found = "text" if is_text(kind) else kind
            raise IndexSchemaError(f"where: column {self._name(column)!r} is {found}, compared with {value!r}")
        return value

    def _column(self, node: ast.expr) -> pc.Expression:
        name = self._name(node)
        kind = self.schema.field(name).type
        return pc.field(name).cast(kind.value_type) if pa.types.is_dictionary(kind) else pc.field(name)

    def _name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            raise IndexSchemaError(f"where: expected a column name, got {ast.unparse(node)!r} in {self.text!r}")
        name = self.names.get(node.id, node.id)
        if name not in self.schema.names:
            raise IndexSchemaError(f"where: {no_such_name(name, self.schema.names, self.properties)}")
        return name
