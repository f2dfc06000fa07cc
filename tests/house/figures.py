"""The size of the house: `python -m tests.house.figures`."""

import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "oddaemon"


def list_packages() -> dict[str, list[Path]]:
    """The Python files of each folder of the package; those of the package itself are under its name."""
    found = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        found[parts[0] if len(parts) > 1 else "oddaemon"].append(path)
    return found


def iter_function_lengths(paths: list[Path]) -> Iterator[int]:
    """The lines of every function, decorators left out."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.end_lineno - node.lineno + 1


def list_classes(paths: list[Path], word: str) -> list[str]:
    """The public classes whose name holds a word."""
    trees = (ast.parse(path.read_text()) for path in paths)
    names = (node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    return sorted(name for name in names if word in name and not name.startswith("_"))


def render_figures() -> str:
    """All figures, as text."""
    packages = list_packages()
    lines = [f"{'package':<14}{'lines':>8}{'files':>7}"]
    for name, paths in packages.items():
        lines.append(f"{name:<14}{count_lines(paths):>8,}{len(paths):>7}")
    everything = [path for paths in packages.values() for path in paths]
    lines.append(f"{'all':<14}{count_lines(everything):>8,}{len(everything):>7}")
    lengths = sorted(iter_function_lengths(everything))
    p90 = lengths[len(lengths) * 9 // 10]
    lines.append(
        f"{len(lengths):,} functions: median {statistics.median(lengths):g}, p90 {p90}, max {lengths[-1]} lines"
    )
    own = [path for path in everything if "simulator" not in path.parts]
    for word in ("Office", "Snapshot"):
        names = list_classes(own, word)
        lines.append(f"{len(names)} public classes with {word} in their name: {', '.join(names)}")
    return "\n".join([*lines, ""])


def count_lines(paths: list[Path]) -> int:
    """All lines of the files."""
    return sum(path.read_text().count("\n") for path in paths)


if __name__ == "__main__":
    sys.stdout.write(render_figures())
