import copy
import io
import json
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console
from rich.traceback import Traceback

from oddaemon.settings import ApiSettings, BadConfiguration, Secret, load
from oddaemon.settings.values.secret import looks_like_key, redact

PLANTED = "Hb3nY8sVd5FqXg1J"


@dataclass
class Holder:
    key: Secret


@pytest.mark.parametrize("show", [repr, str, format, "{0:>20}".format, "{0!s}".format, lambda secret: f"{[secret]}"])
def test_a_secret_does_not_show_itself(show: object) -> None:
    assert callable(show)
    shown = show(Secret(PLANTED))
    assert PLANTED not in shown
    assert "…" in shown


def test_a_dataclass_does_not_show_its_secret() -> None:
    assert repr(Holder(Secret(PLANTED))) == "Holder(key=Secret('…'))"


def test_a_secret_is_revealed_on_request() -> None:
    assert Secret(PLANTED).reveal() == PLANTED


def test_secrets_are_equal_by_value_so_that_a_reload_can_compare() -> None:
    assert Secret(PLANTED) == Secret(PLANTED)
    assert hash(Secret(PLANTED)) == hash(Secret(PLANTED))
    assert Secret(PLANTED) != Secret("other")
    assert Secret(PLANTED) != PLANTED


def test_a_secret_is_neither_pickled_nor_dumped() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Holder(Secret(PLANTED)))
    with pytest.raises(TypeError):
        json.dumps(asdict(Holder(Secret(PLANTED))))
    with pytest.raises(TypeError):
        vars(Secret(PLANTED))


def test_a_copy_is_the_same_secret() -> None:
    holder = Holder(Secret(PLANTED))
    assert copy.copy(holder.key) is holder.key
    assert copy.deepcopy(holder).key is holder.key


def test_the_tables_models_hide_keys_in_their_own_errors() -> None:
    with pytest.raises(ValidationError) as caught:
        ApiSettings.model_validate({"developer_key": PLANTED, "max_in_flight": 0})
    assert PLANTED not in str(caught.value)


class Fault(Mapping[str, str]):
    """An environment that breaks in the middle of a reading, so that all of its frames are in the traceback."""

    def __getitem__(self, name: str) -> str:
        raise RuntimeError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_a_traceback_with_locals_shows_no_key(tmp_path: Path) -> None:
    (tmp_path / "smile.key").write_text(PLANTED)
    (tmp_path / "smile.key").chmod(0o600)
    path = tmp_path / "oddaemon.toml"
    path.write_text(
        f'[api]\ndeveloper_key = "{PLANTED}"\n'
        '[[office]]\nid = "beam"\ncustomer_key_file = "smile.key"\n'
        f'[[office]]\nid = "smile"\ncustmer_key = "{PLANTED}"\n[office.labels]\ncustomer_key = "{PLANTED}"\n'
        '[[office]]\nid = "grin"\ncustomer_key_env = "GRIN"\n'
    )
    with pytest.raises(RuntimeError, match="GRIN") as caught:
        load(path, Fault())
    screen = io.StringIO()
    trace = Traceback.from_exception(
        caught.type,
        caught.value,
        caught.value.__traceback__,
        show_locals=True,
        locals_max_string=100_000,
        locals_max_length=1000,
    )
    Console(file=screen, width=500).print(trace)
    assert "Secret('…')" in screen.getvalue()
    assert PLANTED not in screen.getvalue()


def test_a_bad_configuration_says_all_of_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text("[[office]]\n")
    with pytest.raises(BadConfiguration) as caught:
        load(path)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("key", ["NFF6i0KrXrxDkZHt", "VzkmZEaUWOjnQX2z", PLANTED])
def test_keys_are_known_by_their_looks(key: str) -> None:
    assert looks_like_key(key)
    assert key not in redact(f"looked for /keys/{key}.key")


@pytest.mark.parametrize("text", ["BrightSmiles2024", "customer_key_file", "America/Los_Angeles", "administrators1"])
def test_words_are_not_taken_for_keys(text: str) -> None:
    assert not looks_like_key(text)
    assert redact(text) == text


@given(st.text())
def test_masking_never_fails_and_never_shows_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
