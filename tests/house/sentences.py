"""Sentences that tests assert: `python -m tests.house.sentences` lists them."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
WORDS_MIN = 4
_WORD = re.compile(r"[A-Za-z']+(?=[ ,.:;]|$)")
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER)\b")


def is_sentence(text: str) -> bool:
    """Whether a string reads like text for people: four words or more, and no SQL."""
    return text.count(" ") >= WORDS_MIN - 1 and len(_WORD.findall(text)) >= WORDS_MIN and not _SQL.match(text)


def iter_strings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string within, with its line; what an f-string fills in counts as a word."""
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from iter_strings(child)


def iter_asserted(tree: ast.AST) -> Iterator[ast.AST]:
    """What a file asserts: the condition of each `assert`, and each `match` of `pytest.raises`."""
    for node in ast.walk(tree):
        match node:
            case ast.Assert(test=condition):
                yield condition
            case ast.Call(func=ast.Attribute(attr="raises"), keywords=keywords):
                yield from (keyword.value for keyword in keywords if keyword.arg == "match")


def list_sentences() -> list[str]:
    """All of them, each with its place."""
    return [
        f"{path.relative_to(TESTS.parent)}:{line} {text!r}"
        for path in sorted(TESTS.rglob("*.py"))
        for asserted in iter_asserted(ast.parse(path.read_text(encoding="utf-8")))
        for line, text in iter_strings(asserted)
        if is_sentence(text)
    ]


if __name__ == "__main__":
    found = list_sentences()
    sys.stdout.write("\n".join([*found, f"{len(found)} sentences", ""]))
