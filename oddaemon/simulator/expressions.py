"""How each kind of MySQL expression is said in SQLite.

Rules work bottom-up: a rule gets a node whose parts are SQLite already, and what those parts hold. What has no rule is
an error, never a guess: a function that SQLite happens to know by the same name may mean something else there.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlglot import exp

from oddaemon.simulator.functions import SECONDS_PER_UNIT
from oddaemon.simulator.refusals import SqlFailed
from oddaemon.simulator.tables import Kind

NUMBERS: Final = frozenset({Kind.INT, Kind.DECIMAL, Kind.DOUBLE})
DATES: Final = frozenset({Kind.DATE, Kind.DATETIME})


class Typed(NamedTuple):
    """An expression in SQLite's words, and what it holds."""

    node: exp.Expression
    kind: Kind


Rule = Callable[[exp.Expression, Sequence[Typed]], Typed]


def call(function: str, *arguments: exp.Expression) -> exp.Expression:
    """A call of one of our own functions."""
    return exp.Anonymous(this=function, expressions=list(arguments))


def common_kind(kinds: Sequence[Kind]) -> Kind:
    """What a column holds whose rows hold any of these; NULL fits everything."""
    known = set(kinds) - {Kind.UNKNOWN}
    if len(known) <= 1:
        return known.pop() if known else Kind.UNKNOWN
    if known <= NUMBERS:
        return Kind.DOUBLE if Kind.DOUBLE in known else Kind.DECIMAL
    return Kind.DATETIME if known <= DATES else Kind.TEXT


def translated(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    """The node in SQLite's words.

    Args:
        node: Holds its translated parts already.
        parts: The same parts, with what they hold, in the order of the node's arguments.

    Raises:
        SqlFailed: MySQL, or this office, has nothing of the kind.
    """
    rule = RULES.get(type(node))
    if rule is None:
        name = node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()
        raise SqlFailed(f"FUNCTION opendental.{name} does not exist")
    return rule(node, parts)


def _literal(node: exp.Expression, _: Sequence[Typed]) -> Typed:
    if not isinstance(node, exp.Literal):
        return Typed(node, Kind.INT if isinstance(node, exp.Boolean) else Kind.UNKNOWN)
    if node.is_string:
        return Typed(node, Kind.TEXT)
    if node.is_int:
        return Typed(node, Kind.INT)
    return Typed(node, Kind.DOUBLE if "e" in node.name.lower() else Kind.DECIMAL)


def _same(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    return Typed(node, common_kind([part.kind for part in parts]))


def _condition(node: exp.Expression, _: Sequence[Typed]) -> Typed:
    return Typed(node, Kind.INT)


def _arithmetic(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    if isinstance(parts[-1].node, exp.Interval):
        interval = parts[-1].node
        return _moved(parts[0].node, interval.this, interval.text("unit"), back=isinstance(node, exp.Sub))
    kinds = {part.kind for part in parts}
    if isinstance(node, exp.Neg) and kinds == {Kind.DECIMAL}:
        return Typed(node, Kind.DECIMAL)
    if kinds <= {Kind.INT, Kind.DECIMAL} and (isinstance(node, exp.Div) or Kind.DECIMAL in kinds):
        raise _exact(node)
    _replace_parts(parts, _as_number)
    return Typed(node, Kind.INT if kinds == {Kind.INT} else Kind.DOUBLE)


def _exact(node: exp.Expression) -> SqlFailed:
    """MySQL computes with decimals exactly, and SQLite has none: 1.005*100 is 100.5 there, and less here."""
    return SqlFailed(f"Exact decimals are not supported: {node.sql(dialect='mysql')}; write a double, as in 1.5e0")


def _whole_division(_: exp.Expression, parts: Sequence[Typed]) -> Typed:
    dividend, divisor = parts
    if dividend.kind is divisor.kind is Kind.INT:
        return Typed(exp.Div(this=dividend.node, expression=divisor.node, typed=True, safe=True), Kind.INT)
    return Typed(call("my_div", dividend.node, divisor.node), Kind.INT)


def _remainder(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    if all(part.kind is Kind.INT for part in parts):
        return Typed(node, Kind.INT)
    return Typed(call("my_mod", *(part.node for part in parts)), Kind.DOUBLE)


def _comparison(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    kinds = {part.kind for part in parts}
    if kinds & DATES:
        _replace_parts(parts, _as_instant)
    elif kinds & NUMBERS:
        _replace_parts(parts, _as_number)
    elif Kind.TEXT in kinds:
        first = parts[0].node
        node.set("this", exp.Collate(this=exp.Paren(this=first.copy()), expression=exp.Var(this="NOCASE")))
    return Typed(node, Kind.INT)


def _like(node: exp.Expression, _: Sequence[Typed]) -> Typed:
    return Typed(exp.Escape(this=node, expression=exp.Literal.string("\\")), Kind.INT)


def _choice(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    match node:
        case exp.Case():
            values = parts[1:] if node.this else parts
        case exp.If():
            values = parts[1:]
        case _:
            values = parts
    return Typed(node, common_kind([value.kind for value in values]))


def _sum(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    _replace_parts(parts, _as_number)
    whole = parts[0].kind is Kind.INT and isinstance(node, exp.Sum)
    return Typed(node, Kind.INT if whole else Kind.DOUBLE)


def _round(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    if parts[0].kind is Kind.DECIMAL:
        raise _exact(node)
    kind = Kind.INT if parts[0].kind is Kind.INT else Kind.DOUBLE
    return Typed(call("my_round", *(part.node for part in parts)), kind)


def _length(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    return Typed(call("my_length" if node.args.get("binary") else "my_char_length", parts[0].node), Kind.INT)


def _function(name: str, kind: Kind) -> Rule:
    def rule(_: exp.Expression, parts: Sequence[Typed]) -> Typed:
        return Typed(call(name, *(part.node for part in parts)), kind)

    return rule


def _moment(name: str, kind: Kind) -> Rule:
    def rule(_: exp.Expression, __: Sequence[Typed]) -> Typed:
        return Typed(exp.Placeholder(this=name), kind)

    return rule


def _cast(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    wanted = node.args["to"]
    value = parts[0].node
    match wanted.this:
        case exp.DataType.Type.BIGINT | exp.DataType.Type.UBIGINT:
            return Typed(call("my_signed", value), Kind.INT)
        case exp.DataType.Type.CHAR | exp.DataType.Type.VARCHAR | exp.DataType.Type.TEXT:
            return Typed(call("my_text", value), Kind.TEXT)
        case exp.DataType.Type.DECIMAL:
            scale = wanted.expressions[1].this if len(wanted.expressions) > 1 else exp.Literal.number(0)
            return Typed(call("my_round", call("my_number", value), scale.copy()), Kind.DOUBLE)
        case exp.DataType.Type.DOUBLE:
            return Typed(call("my_number", value), Kind.DOUBLE)
        case exp.DataType.Type.DATE:
            return Typed(call("my_date", value), Kind.DATE)
        case exp.DataType.Type.DATETIME | exp.DataType.Type.TIMESTAMP:
            return Typed(call("my_datetime", value), Kind.DATETIME)
    raise SqlFailed(f"CAST to {wanted.sql(dialect='mysql')} is not supported")


def _interval_function(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    return _moved(parts[0].node, parts[1].node, node.text("unit"), back=isinstance(node, exp.DateSub))


def _moved(start: exp.Expression, amount: exp.Expression, unit: str, *, back: bool) -> Typed:
    if unit.upper() not in SECONDS_PER_UNIT:
        raise SqlFailed(f"INTERVAL {unit} is not supported")
    count = call("my_number", amount.copy())
    signed_count = exp.Neg(this=count) if back else count
    unit_name = exp.Literal.string(unit.upper())
    return Typed(call("my_add_interval", start.copy(), signed_count, unit_name), Kind.DATETIME)


def _timestamp_difference(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    end, start = parts[0].node, parts[1].node
    unit = exp.Literal.string(node.text("unit").upper())
    return Typed(call("my_timestampdiff", unit, start, end), Kind.INT)


def _named_function(node: exp.Expression, parts: Sequence[Typed]) -> Typed:
    name = node.name.upper()
    rule = NAMED_FUNCTIONS.get(name)
    if rule is None:
        raise SqlFailed(f"FUNCTION opendental.{name} does not exist")
    return rule(node, parts)


def _replace_parts(parts: Sequence[Typed], change: Callable[[Typed], exp.Expression]) -> None:
    for part in parts:
        changed = change(part)
        if changed is not part.node:
            part.node.replace(changed)


def _as_number(part: Typed) -> exp.Expression:
    return part.node if part.kind is not Kind.TEXT else call("my_number", part.node.copy())


def _as_instant(part: Typed) -> exp.Expression:
    return part.node if part.kind is Kind.DATETIME else call("my_datetime", part.node.copy())


NAMED_FUNCTIONS: Final[dict[str, Rule]] = {
    "CRC32": _function("my_crc32", Kind.INT),
    "NOW": _moment("now", Kind.DATETIME),
    "SYSDATE": _moment("now", Kind.DATETIME),
}
"""Functions that the parser knows by name only."""

RULES: Final[dict[type[exp.Expression], Rule]] = {
    **dict.fromkeys((exp.Literal, exp.Null, exp.Boolean, exp.Star, exp.Interval), _literal),
    **dict.fromkeys((exp.Paren, exp.Distinct, exp.Min, exp.Max, exp.Greatest, exp.Least), _same),
    **dict.fromkeys((exp.And, exp.Or, exp.Not, exp.Is, exp.Count, exp.Exists), _condition),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ), _comparison),
    **dict.fromkeys((exp.Between, exp.In), _comparison),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg), _arithmetic),
    **dict.fromkeys((exp.Case, exp.If, exp.Coalesce, exp.Nullif), _choice),
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Abs), _sum),
    exp.Placeholder: lambda node, _: Typed(node, Kind.INT if node.name.startswith("key") else Kind.TEXT),
    exp.Like: _like,
    exp.IntDiv: _whole_division,
    exp.Mod: _remainder,
    exp.Round: _round,
    exp.Trunc: _function("my_truncate", Kind.DOUBLE),
    exp.Concat: _function("my_concat", Kind.TEXT),
    exp.ConcatWs: _function("my_concat_ws", Kind.TEXT),
    exp.Left: _function("my_left", Kind.TEXT),
    exp.Right: _function("my_right", Kind.TEXT),
    exp.Substring: _function("my_substring", Kind.TEXT),
    exp.Upper: _function("my_upper", Kind.TEXT),
    exp.Lower: _function("my_lower", Kind.TEXT),
    exp.Trim: _function("my_trim", Kind.TEXT),
    exp.Length: _length,
    exp.TsOrDsToDate: _function("my_date", Kind.DATE),
    exp.Date: _function("my_date", Kind.DATE),
    exp.Timestamp: _function("my_datetime", Kind.DATETIME),
    exp.CurrentTimestamp: _moment("now", Kind.DATETIME),
    exp.CurrentDate: _moment("today", Kind.DATE),
    exp.UtcTimestamp: _moment("utc_now", Kind.DATETIME),
    exp.Cast: _cast,
    exp.DateAdd: _interval_function,
    exp.DateSub: _interval_function,
    exp.TimestampDiff: _timestamp_difference,
    exp.Anonymous: _named_function,
}
