"""Translates the MySQL statement of a request to SQLite.

The parser is sqlglot. The tree walk is our own, because it needs three facts that are not in the text: the type of
every column (a double, a date, text without case), the existing names, and the name of each result column.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from oddaemon.simulator.mysql.expressions import TypedExpression, make_call, translate_node
from oddaemon.simulator.mysql.query_filter import SqlFailed, make_syntax_error
from oddaemon.simulator.mysql.scope import Column, Columns, Scope, get_table_columns
from oddaemon.simulator.mysql.tables import SqlType

UNTRANSLATED_NODES = (exp.DataType, exp.Var, exp.Identifier)
SELECT_PARTS = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct"}
)
_RESERVED_IN_MARIADB = """
CURRENT_ROLE DELETE_DOMAIN_ID DO_DOMAIN_IDS IGNORE_DOMAIN_IDS MASTER_DEMOTE_TO_REPLICA MASTER_DEMOTE_TO_SLAVE OFFSET
PAGE_CHECKSUM PARSE_VCOL_EXPR PORTION REF_SYSTEM_ID RETURNING STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES
"""
RESERVED_WORDS = {word.upper() for word in MySQL.Generator.RESERVED_KEYWORDS} | set(_RESERVED_IN_MARIADB.split())
"""All words that a version of MySQL or MariaDB reserves: the office's server is not known, so no statement may use them
as a name without quotes."""
END_OF_SELECT_LIST = frozenset({TokenType.FROM, TokenType.WHERE, TokenType.ORDER_BY, TokenType.LIMIT})


@dataclass(frozen=True)
class Statement:
    """A statement that SQLite can run, with the names and types of its result columns."""

    sqlite: str
    columns: Columns


def translate(sql: str, tokens: list[Token]) -> Statement:
    """Translate the statement to SQLite.

    Args:
        sql: One plain SELECT of MySQL.
        tokens: Its tokens from the query filter.

    Raises:
        SqlFailed: MySQL would reject it, or this simulator does not support it.
    """
    try:
        trees = MySQL().parser().parse(tokens, sql)
    except SqlglotError as error:
        raise make_syntax_error(sql) from error
    tree = trees[0] if trees else None
    if not isinstance(tree, exp.Select):
        raise make_syntax_error(sql)
    for identifier in tree.find_all(exp.Identifier):
        _refuse_reserved(identifier)
    texts = _split_select_list(sql, tokens)
    columns = _translate_query(tree, None, texts)
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("quoted", True)
    return Statement(tree.sql(dialect="sqlite"), columns)


def _refuse_reserved(identifier: exp.Identifier) -> None:
    """The parser accepts most keywords as names; a server does not."""
    is_dual = isinstance(identifier.parent, exp.Table) and identifier.name.upper() == "DUAL"
    if identifier.name.upper() in RESERVED_WORDS and not identifier.quoted and not is_dual:
        raise make_syntax_error(identifier.name)


def _translate_query(select: exp.Expression, outer: Scope | None, texts: Sequence[str] = ()) -> Columns:
    unknown_parts = {name for name, value in select.args.items() if value} - SELECT_PARTS
    if not isinstance(select, exp.Select) or unknown_parts:
        raise make_syntax_error(select.sql(dialect="mysql"))
    scope = Scope(outer=outer)
    _add_sources(select, scope)
    columns = tuple(_translate_select_list(select, scope, texts))
    scope.clause = "where clause"
    _translate_clause(select.args.get("where"), scope)
    scope.aliases = {column.name.lower(): column.sql_type for column in columns}
    for part, clause in (("group", "group statement"), ("having", "having clause"), ("order", "order clause")):
        scope.clause = clause
        _translate_clause(select.args.get(part), scope)
    return columns


def _add_sources(select: exp.Select, scope: Scope) -> None:
    first = select.args.get("from_")
    if first is None:
        return
    if first.this.name.lower() == "dual":
        select.set("from_", None)
        return
    joins = select.args.get("joins") or []
    for source in (first.this, *(join.this for join in joins)):
        match source:
            case exp.Table():
                scope.add(source.alias_or_name, get_table_columns(source.name))
                source.set("db", None)
            case exp.Subquery() if source.alias:
                scope.add(source.alias, _translate_query(source.this, None))
            case exp.Subquery():
                raise SqlFailed("Every derived table must have its own alias")
            case _:
                raise make_syntax_error(source.sql(dialect="mysql"))
    scope.clause = "on clause"
    for join in joins:
        if (condition := join.args.get("on")) is not None:
            join.set("on", _translate(condition, scope).node)
    scope.clause = "field list"


def _translate_select_list(select: exp.Select, scope: Scope, texts: Sequence[str]) -> Iterator[Column]:
    """Translate the select list in place; every result column gets the name that MySQL gives it."""
    projections: list[exp.Expression] = []
    for index, projection in enumerate(select.expressions):
        if isinstance(projection, exp.Star) or (isinstance(projection, exp.Column) and projection.name == "*"):
            yield from scope.expand_star(projection.text("table"))
            projections.append(projection)
            continue
        named_by_content = isinstance(projection, exp.Column) or (
            isinstance(projection, exp.Literal) and projection.is_string
        )
        name = projection.alias or (projection.name if named_by_content else "")
        if not name:
            name = texts[index] if index < len(texts) else projection.sql(dialect="mysql")
        typed = _translate(projection.unalias(), scope)
        projections.append(exp.Alias(this=typed.node, alias=exp.to_identifier(name)))
        yield Column(name, typed.sql_type)
    select.set("expressions", projections)


def _translate_clause(clause: exp.Expression | None, scope: Scope) -> None:
    """Translate the expression of a WHERE, GROUP BY, HAVING or ORDER BY in place."""
    match clause:
        case None:
            return
        case exp.Where() | exp.Having():
            clause.set("this", _translate(clause.this, scope).node)
        case exp.Group() if not [name for name, value in clause.args.items() if value and name != "expressions"]:
            clause.set("expressions", [_translate(key, scope).node for key in clause.expressions])
        case exp.Order():
            for ordered in clause.expressions:
                ordered.set("this", _translate(ordered.this, scope).node)
        case _:
            raise make_syntax_error(clause.sql(dialect="mysql"))


def _translate(node: exp.Expression, scope: Scope) -> TypedExpression:
    match node:
        case exp.Column():
            return TypedExpression(node, scope.find_type(node.text("table"), node.name))
        case exp.Subquery() | exp.Select():
            columns = _translate_query(node.this if isinstance(node, exp.Subquery) else node, scope)
            return TypedExpression(node, columns[0].sql_type)
        case exp.GroupConcat():
            return _translate_group_concat(node, scope)
        case exp.Parameter():
            raise SqlFailed(f"Parameter '@{node.name}' must be defined.")
        case _:
            return translate_node(node, list(_translate_parts(node, scope)))


def _translate_parts(node: exp.Expression, scope: Scope) -> Iterator[TypedExpression]:
    for name, value in list(node.args.items()):
        if isinstance(value, list):
            typed_parts = [_translate(part, scope) for part in value]
            node.set(name, [typed.node for typed in typed_parts])
            yield from typed_parts
        elif isinstance(value, exp.Expression) and not isinstance(value, UNTRANSLATED_NODES):
            typed = _translate(value, scope)
            node.set(name, typed.node)
            yield typed


def _translate_group_concat(node: exp.GroupConcat, scope: Scope) -> TypedExpression:
    """Translate GROUP_CONCAT to our own aggregate, which sorts at its end.

    A lane (`CASE WHEN … THEN … END` without ELSE, or `IF(…, …, NULL)`) becomes a filter: rows of other lanes, which
    would only add NULL, then never leave SQLite. With 48 lanes this saves nearly all of the time.
    """
    value, keys = node.this, []
    if isinstance(value, exp.Order):
        value, keys = value.this, value.expressions
    distinct = isinstance(value, exp.Distinct)
    if distinct:
        value = value.expressions[0] if len(value.expressions) == 1 else exp.Concat(expressions=value.expressions)
    condition, value = _split_condition(value)
    directions = "".join("d" if key.args.get("desc") else "a" for key in keys)
    separator = node.args.get("separator") or exp.Literal.string(",")
    aggregate = make_call(
        "my_group_concat",
        exp.Literal.string(separator.name),
        exp.Literal.number(int(distinct)),
        exp.Literal.string(directions),
        _translate(value.copy(), scope).node,
        *(_translate(key.this.copy(), scope).node for key in keys),
    )
    if condition is None:
        return TypedExpression(aggregate, SqlType.TEXT)
    where = exp.Where(this=_translate(condition.copy(), scope).node)
    return TypedExpression(exp.Filter(this=aggregate, expression=where), SqlType.TEXT)


def _split_condition(value: exp.Expression) -> tuple[exp.Expression | None, exp.Expression]:
    branch = value.args["ifs"][0] if isinstance(value, exp.Case) and len(value.args["ifs"]) == 1 else value
    if not isinstance(branch, exp.If) or value.args.get("this") not in (None, branch.this):
        return None, value
    otherwise = value.args.get("default") or branch.args.get("false")
    if otherwise is not None and not isinstance(otherwise, exp.Null):
        return None, value
    return branch.this, branch.args["true"]


def _split_select_list(sql: str, tokens: Sequence[Token]) -> list[str]:
    """The source text of every item of the outermost select list: the name of a column without an alias in MySQL."""
    depth, start, texts = 0, tokens[0].end + 1, []
    for token in tokens[1:]:
        match token.token_type:
            case TokenType.L_PAREN:
                depth += 1
            case TokenType.R_PAREN:
                depth -= 1
            case TokenType.COMMA if not depth:
                texts.append(sql[start : token.start].strip())
                start = token.end + 1
            case kind if kind in END_OF_SELECT_LIST and not depth:
                return [*texts, sql[start : token.start].strip()]
    return [*texts, sql[start:].strip()]
