"""The sentences of a surface in one file beside its tests: `pytest --record-golden FILES` writes them again.

A test asserts codes, keys and fields; what is said in words it hands to the fixture `golden`, which compares it with
its section of `golden/<name of the test's file>.txt`. So wording is read as a whole, and improved in one place.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_HEAD = re.compile(r"^== (.+)\n", re.MULTILINE)
_BOX = re.compile("[╭╮╰╯─│]")
_SEPARATOR = "\n--\n"
_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z| [A-Z][A-Z0-9+-]*)?"), "INSTANT"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\bprocess \d+ on \S+"), "process PID on HOST"),
    (re.compile(r"\bPort \d+"), "Port PORT"),
    (re.compile(r"sport = :\d+"), "sport = :PORT"),
)
"""What another run says otherwise."""


def get_golden_file(test_file: Path) -> Path:
    """Where the sentences of a file of tests are."""
    return test_file.parent / "golden" / f"{test_file.stem.removeprefix('test_')}.txt"


def read_sections(file: Path) -> dict[str, str]:
    """Texts by the name of their section."""
    if not file.exists():
        return {}
    _, *found = _HEAD.split(file.read_text(encoding="utf-8"))
    return {name: text.removesuffix("\n\n") for name, text in zip(found[::2], found[1::2], strict=True)}


class GoldenTexts:
    """The sentences of one test.

    Args:
        file: of all tests of the module.
        test: its name, with its parameters.
        changing: directories of the test, by what is written instead.
        recording: write instead of compare.
    """

    def __init__(self, file: Path, test: str, changing: Mapping[str, str], *, recording: bool) -> None:
        self._file = file
        self._test = test
        self._changing = changing
        self._recording = recording
        self._recorded = read_sections(file).get(test, "").split(_SEPARATOR)
        self._said: list[str] = []

    def check(self, text: object, **changing: object) -> None:
        """Compare the next text of the test with the recorded one.

        Args:
            text: a sentence, an output, an exception; of a list, each item is a line.
            changing: what another run says otherwise, such as a day: by what is written instead.
        """
        said = "\n".join(map(str, text)) if isinstance(text, list) else str(text)
        if "╭─" in said:  # a box of a usage error: where its lines break depends on the length of paths
            said = " ".join(_BOX.sub(" ", said).split())
        for written, each in {**self._changing, **changing}.items():
            said = said.replace(str(each), written)
        for pattern, written in _CHANGING:
            said = pattern.sub(written, said)
        said = "\n".join(line.rstrip() for line in said.splitlines())
        self._said.append(said)
        if not self._recording:
            assert said in self._recorded[len(self._said) - 1 :][:1], (
                f"{self._file.name} differs: see tests/golden.py. It says:\n{said}"
            )

    def finish(self) -> None:
        """Write what was checked, or see that nothing recorded was left out."""
        if self._recording:
            self._file.parent.mkdir(exist_ok=True)
            sections = read_sections(self._file) | {self._test: _SEPARATOR.join(self._said)}
            written = "".join(f"== {name}\n{text}\n\n" for name, text in sections.items())
            self._file.write_text(written, encoding="utf-8")
        else:
            assert len(self._said) == len(self._recorded), f"{self._file.name} has more: see tests/golden.py"
