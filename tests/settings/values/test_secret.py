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

CANARY = "Hb3nY8sVd5FqXg1J"


@dataclass
class SecretHolder:
    key: Secret


@pytest.mark.parametrize("show", [repr, str, format, "{0:>20}".format, "{0!s}".format, lambda secret: f"{[secret]}"])
def test_a_secret_does_not_show_itself(show: object) -> None:
    assert callable(show)
    shown = show(Secret(CANARY))
    assert CANARY not in shown
    assert "…" in shown


def test_a_dataclass_does_not_show_its_secret() -> None:
    assert repr(SecretHolder(Secret(CANARY))) == "SecretHolder(key=Secret('…'))"


def test_a_secret_is_revealed_on_request() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_secrets_are_equal_by_value_so_that_a_reload_can_compare() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY


def test_a_secret_is_neither_pickled_nor_dumped() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(SecretHolder(Secret(CANARY)))
    with pytest.raises(TypeError):
        json.dumps(asdict(SecretHolder(Secret(CANARY))))
    with pytest.raises(TypeError):
        vars(Secret(CANARY))


def test_a_copy_is_the_same_secret() -> None:
    holder = SecretHolder(Secret(CANARY))
    assert copy.copy(holder.key) is holder.key
    assert copy.deepcopy(holder).key is holder.key


def test_the_tables_models_hide_keys_in_their_own_errors() -> None:
    with pytest.raises(ValidationError) as caught:
        ApiSettings.model_validate({"developer_key": CANARY, "max_in_flight": 0})
    assert CANARY not in str(caught.value)


class FailingEnvironment(Mapping[str, str]):
    """An environment that breaks in the middle of a reading, so that all of its frames are in the traceback."""

    def __getitem__(self, name: str) -> str:
        raise RuntimeError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_a_traceback_with_locals_shows_no_key(tmp_path: Path) -> None:
    (tmp_path / "smile.key").write_text(CANARY)
    (tmp_path / "smile.key").chmod(0o600)
    path = tmp_path / "oddaemon.toml"
    path.write_text(
        f'[api]\ndeveloper_key = "{CANARY}"\n'
        '[[office]]\nid = "beam"\ncustomer_key_file = "smile.key"\n'
        f'[[office]]\nid = "smile"\ncustmer_key = "{CANARY}"\n[office.labels]\ncustomer_key = "{CANARY}"\n'
        '[[office]]\nid = "grin"\ncustomer_key_env = "GRIN"\n'
    )
    with pytest.raises(RuntimeError, match="GRIN") as caught:
        load(path, FailingEnvironment())
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
    assert CANARY not in screen.getvalue()


def test_a_bad_configuration_says_all_of_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text("[[office]]\n")
    with pytest.raises(BadConfiguration) as caught:
        load(path)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("key", ["NFF6i0KrXrxDkZHt", "VzkmZEaUWOjnQX2z", CANARY])
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
