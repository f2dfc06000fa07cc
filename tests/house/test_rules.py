"""The rules of names, sizes and words that no linter holds. CONTRIBUTING.md has the reasons."""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.vocabulary import (
    ALLOWED,
    IRREGULAR_PARTICIPLES,
    PARTICIPLE_LIKE_VERBS,
    PREPOSITIONS,
    RETIRED_NAMES,
    RETIRED_WORDS,
)

ROOT = Path(__file__).parents[2]
FILES_MAX = 17
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
MIRRORED = ("oddaemon/api.py", "oddaemon/simulator/")
"""Both mirror names of the package on purpose: one for callers in Python, the other as an independent oracle."""

PACKAGE = sorted(ROOT.glob("oddaemon/**/*.py"))
TESTS = [path for path in sorted(ROOT.glob("tests/**/*.py")) if path.parent.name != "house"]
PROSE = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")),
    *(
        path
        for pattern in ("docs/**/*.md", "deploy/**/*.*", "config/**/*.toml", "systemd/*")
        for path in sorted(ROOT.glob(pattern))
    ),
    *(path for suffix in ("html", "css", "js") for path in sorted(ROOT.glob(f"oddaemon/**/*.{suffix}"))),
]


def describe_place(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def list_nodes(path: Path) -> list[ast.AST]:
    relevant = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Name | ast.Attribute | ast.arg
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, relevant)]


def walk(paths: list[Path]) -> Iterator[tuple[str, ast.AST]]:
    for path in paths:
        for node in list_nodes(path):
            yield describe_place(path), node


def list_functions(paths: list[Path]) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for place, node in walk(paths):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield place, node


def split_words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def read_without_code_spans(path: Path) -> str:
    """The text, without what a Markdown file quotes of the program (an old name in a table of renames)."""
    text = path.read_text()
    return re.sub(r"`[^`\n]*`", "", text) if path.suffix == ".md" else text


def test_folders_are_small() -> None:
    folders: defaultdict[str, int] = defaultdict(int)
    for path in PACKAGE + TESTS:
        folders[describe_place(path.parent)] += path.name != "__init__.py"
    large = {place: count for place, count in folders.items() if count > FILES_MAX}
    assert not large, f"over {FILES_MAX} Python files; group them by noun: {large}"


def test_files_are_short() -> None:
    lines = {describe_place(path): len(path.read_text().splitlines()) for path in PACKAGE + TESTS}
    long = {place: count for place, count in lines.items() if count > FILE_LINES_MAX}
    assert not long, f"over {FILE_LINES_MAX} lines; split them by idea: {long}"


def test_functions_are_short() -> None:
    sizes = {
        f"{place}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for place, node in list_functions(PACKAGE + TESTS)
    }
    long = {place: count for place, count in sizes.items() if count > FUNCTION_LINES_MAX}
    assert not long, f"over {FUNCTION_LINES_MAX} lines: {long}"


def test_no_public_class_name_stands_twice() -> None:
    places = defaultdict(list)
    for place, node in walk(PACKAGE):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not place.startswith(MIRRORED):
            places[node.name].append(place)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice, f"one name, two meanings: {twice}"


def is_bare_participle(name: str) -> bool:
    """`held` or `held_by`, but not the noun `held_page`."""
    first, *rest = split_words(name) or [""]
    is_participle = first.endswith(("ed", "ing")) or first in IRREGULAR_PARTICIPLES
    return is_participle and first not in PARTICIPLE_LIKE_VERBS and (not rest or rest[0] in PREPOSITIONS)


def test_functions_begin_with_a_verb() -> None:
    bare = [
        f"{place}:{node.lineno} {node.name}"
        for place, node in list_functions(PACKAGE + TESTS)
        if not node.name.startswith("__")  # a name that Python gives
        and is_bare_participle(node.name)
        and not re.search("property|fixture|contextmanager", " ".join(map(ast.unparse, node.decorator_list)))
    ]
    assert not bare, "a participle says neither what is done nor what comes back:\n" + "\n".join(bare)


def list_names(node: ast.AST) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            return [name]
    return []


def test_no_retired_word_stands_in_a_name() -> None:
    found = {
        f"{place}: {name}: rather {RETIRED_NAMES[word]}"
        for place, node in walk(PACKAGE + TESTS)
        for name in list_names(node)
        for word in split_words(name)
        if word in RETIRED_NAMES and name not in ALLOWED
    }
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize("paths", [PACKAGE, TESTS, PROSE], ids=["package", "tests", "prose"])
def test_no_retired_word_stands_in_a_text(paths: list[Path]) -> None:
    pattern = re.compile(r"\b(" + "|".join(word.replace(" ", r"\s+") for word in RETIRED_WORDS) + r")\b", re.IGNORECASE)
    found = []
    for path in paths:
        place = describe_place(path)
        if not path.is_file():
            continue
        text = read_without_code_spans(path)
        for match in pattern.finditer(text):
            if text[match.start() - 1] == text[match.end() : match.end() + 1] == '"':
                continue  # a value that is stored or sent
            better = RETIRED_WORDS[" ".join(match[0].lower().split())]
            found.append(f"{place}:{text.count(chr(10), 0, match.start()) + 1} {match[0]!r}: rather {better}")
    assert not found, "\n".join(found)
