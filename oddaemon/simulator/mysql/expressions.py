"""The SQLite form of each kind of MySQL expression.

Rules work bottom-up: a rule gets a node whose parts are already SQLite, and the types of these parts. An expression
without a rule is an error, because a SQLite function of the same name may mean something else.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlglot import exp

from oddaemon.simulator.mysql.functions import SECONDS_PER_UNIT
from oddaemon.simulator.mysql.query_filter import SqlFailed
from oddaemon.simulator.mysql.tables import SqlType

NUMBERS: Final = frozenset({SqlType.INT, SqlType.DECIMAL, SqlType.DOUBLE})
DATES: Final = frozenset({SqlType.DATE, SqlType.DATETIME})


class TypedExpression(NamedTuple):
    """An expression in SQLite, and its type."""

    node: exp.Expression
    sql_type: SqlType


Rule = Callable[[exp.Expression, Sequence[TypedExpression]], TypedExpression]


def make_call(function: str, *arguments: exp.Expression) -> exp.Expression:
    """A call of one of the functions that the simulator adds."""
    return exp.Anonymous(this=function, expressions=list(arguments))


def find_common_type(sql_types: Sequence[SqlType]) -> SqlType:
    """The type of a column whose rows have any of these types; NULL fits every type."""
    known = set(sql_types) - {SqlType.UNKNOWN}
    if len(known) <= 1:
        return known.pop() if known else SqlType.UNKNOWN
    if known <= NUMBERS:
        return SqlType.DOUBLE if SqlType.DOUBLE in known else SqlType.DECIMAL
    return SqlType.DATETIME if known <= DATES else SqlType.TEXT


def translate_node(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    """Translate the node to SQLite.

    Args:
        node: The node, with its parts already translated.
        parts: The same parts with their types, in the order of the node's arguments.

    Raises:
        SqlFailed: MySQL, or this office, does not have this function or operator.
    """
    rule = RULES.get(type(node))
    if rule is None:
        name = node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()
        raise SqlFailed(f"FUNCTION opendental.{name} does not exist")
    return rule(node, parts)


def _translate_literal(node: exp.Expression, _: Sequence[TypedExpression]) -> TypedExpression:
    if not isinstance(node, exp.Literal):
        return TypedExpression(node, SqlType.INT if isinstance(node, exp.Boolean) else SqlType.UNKNOWN)
    if node.is_string:
        return TypedExpression(node, SqlType.TEXT)
    if node.is_int:
        return TypedExpression(node, SqlType.INT)
    return TypedExpression(node, SqlType.DOUBLE if "e" in node.name.lower() else SqlType.DECIMAL)


def _translate_same_type(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    return TypedExpression(node, find_common_type([part.sql_type for part in parts]))


def _translate_condition(node: exp.Expression, _: Sequence[TypedExpression]) -> TypedExpression:
    return TypedExpression(node, SqlType.INT)


def _translate_arithmetic(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    if isinstance(parts[-1].node, exp.Interval):
        interval = parts[-1].node
        return _add_interval(parts[0].node, interval.this, interval.text("unit"), back=isinstance(node, exp.Sub))
    sql_types = {part.sql_type for part in parts}
    if isinstance(node, exp.Neg) and sql_types == {SqlType.DECIMAL}:
        return TypedExpression(node, SqlType.DECIMAL)
    if sql_types <= {SqlType.INT, SqlType.DECIMAL} and (isinstance(node, exp.Div) or SqlType.DECIMAL in sql_types):
        raise _make_decimal_error(node)
    _replace_parts(parts, _to_number)
    return TypedExpression(node, SqlType.INT if sql_types == {SqlType.INT} else SqlType.DOUBLE)


def _make_decimal_error(node: exp.Expression) -> SqlFailed:
    """MySQL computes exactly with decimals, which SQLite lacks: 1.005*100 is 100.5 in MySQL and less in SQLite."""
    return SqlFailed(f"Exact decimals are not supported: {node.sql(dialect='mysql')}; write a double, as in 1.5e0")


def _translate_int_division(_: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    dividend, divisor = parts
    if dividend.sql_type is divisor.sql_type is SqlType.INT:
        return TypedExpression(exp.Div(this=dividend.node, expression=divisor.node, typed=True, safe=True), SqlType.INT)
    return TypedExpression(make_call("my_div", dividend.node, divisor.node), SqlType.INT)


def _translate_modulo(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    if all(part.sql_type is SqlType.INT for part in parts):
        return TypedExpression(node, SqlType.INT)
    return TypedExpression(make_call("my_mod", *(part.node for part in parts)), SqlType.DOUBLE)


def _translate_comparison(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    sql_types = {part.sql_type for part in parts}
    if sql_types & DATES:
        _replace_parts(parts, _to_instant)
    elif sql_types & NUMBERS:
        _replace_parts(parts, _to_number)
    elif SqlType.TEXT in sql_types:
        first = parts[0].node
        node.set("this", exp.Collate(this=exp.Paren(this=first.copy()), expression=exp.Var(this="NOCASE")))
    return TypedExpression(node, SqlType.INT)


def _translate_like(node: exp.Expression, _: Sequence[TypedExpression]) -> TypedExpression:
    return TypedExpression(exp.Escape(this=node, expression=exp.Literal.string("\\")), SqlType.INT)


def _translate_choice(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    match node:
        case exp.Case():
            values = parts[1:] if node.this else parts
        case exp.If():
            values = parts[1:]
        case _:
            values = parts
    return TypedExpression(node, find_common_type([value.sql_type for value in values]))


def _translate_sum(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    _replace_parts(parts, _to_number)
    whole = parts[0].sql_type is SqlType.INT and isinstance(node, exp.Sum)
    return TypedExpression(node, SqlType.INT if whole else SqlType.DOUBLE)


def _translate_round(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    if parts[0].sql_type is SqlType.DECIMAL:
        raise _make_decimal_error(node)
    sql_type = SqlType.INT if parts[0].sql_type is SqlType.INT else SqlType.DOUBLE
    return TypedExpression(make_call("my_round", *(part.node for part in parts)), sql_type)


def _translate_length(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    return TypedExpression(
        make_call("my_length" if node.args.get("binary") else "my_char_length", parts[0].node), SqlType.INT
    )


def _make_function_rule(name: str, sql_type: SqlType) -> Rule:
    def rule(_: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
        return TypedExpression(make_call(name, *(part.node for part in parts)), sql_type)

    return rule


def _make_parameter_rule(name: str, sql_type: SqlType) -> Rule:
    def rule(_: exp.Expression, __: Sequence[TypedExpression]) -> TypedExpression:
        return TypedExpression(exp.Placeholder(this=name), sql_type)

    return rule


def _translate_cast(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    wanted = node.args["to"]
    value = parts[0].node
    match wanted.this:
        case exp.DataType.Type.BIGINT | exp.DataType.Type.UBIGINT:
            return TypedExpression(make_call("my_signed", value), SqlType.INT)
        case exp.DataType.Type.CHAR | exp.DataType.Type.VARCHAR | exp.DataType.Type.TEXT:
            return TypedExpression(make_call("my_text", value), SqlType.TEXT)
        case exp.DataType.Type.DECIMAL:
            scale = wanted.expressions[1].this if len(wanted.expressions) > 1 else exp.Literal.number(0)
            return TypedExpression(make_call("my_round", make_call("my_number", value), scale.copy()), SqlType.DOUBLE)
        case exp.DataType.Type.DOUBLE:
            return TypedExpression(make_call("my_number", value), SqlType.DOUBLE)
        case exp.DataType.Type.DATE:
            return TypedExpression(make_call("my_date", value), SqlType.DATE)
        case exp.DataType.Type.DATETIME | exp.DataType.Type.TIMESTAMP:
            return TypedExpression(make_call("my_datetime", value), SqlType.DATETIME)
    raise SqlFailed(f"CAST to {wanted.sql(dialect='mysql')} is not supported")


def _translate_interval_function(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    return _add_interval(parts[0].node, parts[1].node, node.text("unit"), back=isinstance(node, exp.DateSub))


def _add_interval(start: exp.Expression, amount: exp.Expression, unit: str, *, back: bool) -> TypedExpression:
    if unit.upper() not in SECONDS_PER_UNIT:
        raise SqlFailed(f"INTERVAL {unit} is not supported")
    count = make_call("my_number", amount.copy())
    signed_count = exp.Neg(this=count) if back else count
    unit_name = exp.Literal.string(unit.upper())
    return TypedExpression(make_call("my_add_interval", start.copy(), signed_count, unit_name), SqlType.DATETIME)


def _translate_timestamp_difference(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    end, start = parts[0].node, parts[1].node
    unit = exp.Literal.string(node.text("unit").upper())
    return TypedExpression(make_call("my_timestampdiff", unit, start, end), SqlType.INT)


def _translate_named_function(node: exp.Expression, parts: Sequence[TypedExpression]) -> TypedExpression:
    name = node.name.upper()
    rule = NAMED_FUNCTIONS.get(name)
    if rule is None:
        raise SqlFailed(f"FUNCTION opendental.{name} does not exist")
    return rule(node, parts)


def _replace_parts(parts: Sequence[TypedExpression], change: Callable[[TypedExpression], exp.Expression]) -> None:
    for part in parts:
        changed = change(part)
        if changed is not part.node:
            part.node.replace(changed)


def _to_number(part: TypedExpression) -> exp.Expression:
    return part.node if part.sql_type is not SqlType.TEXT else make_call("my_number", part.node.copy())


def _to_instant(part: TypedExpression) -> exp.Expression:
    return part.node if part.sql_type is SqlType.DATETIME else make_call("my_datetime", part.node.copy())


NAMED_FUNCTIONS: Final[dict[str, Rule]] = {
    "CRC32": _make_function_rule("my_crc32", SqlType.INT),
    "NOW": _make_parameter_rule("now", SqlType.DATETIME),
    "SYSDATE": _make_parameter_rule("now", SqlType.DATETIME),
}
"""Functions that the parser knows only by name."""

RULES: Final[dict[type[exp.Expression], Rule]] = {
    **dict.fromkeys((exp.Literal, exp.Null, exp.Boolean, exp.Star, exp.Interval), _translate_literal),
    **dict.fromkeys((exp.Paren, exp.Distinct, exp.Min, exp.Max, exp.Greatest, exp.Least), _translate_same_type),
    **dict.fromkeys((exp.And, exp.Or, exp.Not, exp.Is, exp.Count, exp.Exists), _translate_condition),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ), _translate_comparison),
    **dict.fromkeys((exp.Between, exp.In), _translate_comparison),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg), _translate_arithmetic),
    **dict.fromkeys((exp.Case, exp.If, exp.Coalesce, exp.Nullif), _translate_choice),
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Abs), _translate_sum),
    exp.Placeholder: lambda node, _: TypedExpression(
        node, SqlType.INT if node.name.startswith("key") else SqlType.TEXT
    ),
    exp.Like: _translate_like,
    exp.IntDiv: _translate_int_division,
    exp.Mod: _translate_modulo,
    exp.Round: _translate_round,
    exp.Trunc: _make_function_rule("my_truncate", SqlType.DOUBLE),
    exp.Concat: _make_function_rule("my_concat", SqlType.TEXT),
    exp.ConcatWs: _make_function_rule("my_concat_ws", SqlType.TEXT),
    exp.Left: _make_function_rule("my_left", SqlType.TEXT),
    exp.Right: _make_function_rule("my_right", SqlType.TEXT),
    exp.Substring: _make_function_rule("my_substring", SqlType.TEXT),
    exp.Upper: _make_function_rule("my_upper", SqlType.TEXT),
    exp.Lower: _make_function_rule("my_lower", SqlType.TEXT),
    exp.Trim: _make_function_rule("my_trim", SqlType.TEXT),
    exp.Length: _translate_length,
    exp.TsOrDsToDate: _make_function_rule("my_date", SqlType.DATE),
    exp.Date: _make_function_rule("my_date", SqlType.DATE),
    exp.Timestamp: _make_function_rule("my_datetime", SqlType.DATETIME),
    exp.CurrentTimestamp: _make_parameter_rule("now", SqlType.DATETIME),
    exp.CurrentDate: _make_parameter_rule("today", SqlType.DATE),
    exp.UtcTimestamp: _make_parameter_rule("utc_now", SqlType.DATETIME),
    exp.Cast: _translate_cast,
    exp.DateAdd: _translate_interval_function,
    exp.DateSub: _translate_interval_function,
    exp.TimestampDiff: _translate_timestamp_difference,
    exp.Anonymous: _translate_named_function,
}
