import csv
import hashlib
import io
import json
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from oddaemon.sinks.formats.columns import ColumnType, ExportColumn, Row
from oddaemon.sinks.formats.export import FileFormat, Layout, export, write_rows
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.formats.text import Envelope

COLUMNS = (
    ExportColumn("pat_num", ColumnType.INTEGER),
    ExportColumn("bal_total", ColumnType.MONEY),
    ExportColumn("share", ColumnType.RATIO),
    ExportColumn("aging_date", ColumnType.DATE),
    ExportColumn("at", ColumnType.INSTANT),
    ExportColumn("name", ColumnType.TEXT),
)
AT = datetime(2026, 3, 8, 7, 0, 0, 250_000, tzinfo=UTC)
ROWS: list[Row] = [
    (9007199254740993, -5, 0.25, date(2026, 3, 7), AT, 'Said "no", twice'),
    (2, 9_223_372_036_854_775_807, None, None, None, None),
    (3, None, 0.0, date(2026, 3, 8), AT, ""),
]
FORMS = list(FileFormat)


def write_bytes(form: FileFormat, *batches: list[Row], envelope: Envelope | None = None) -> bytes:
    file = io.BytesIO()
    write_rows(file, Layout(form, COLUMNS, envelope or Envelope()), batches)
    return file.getvalue()


def test_csv_has_decimal_money_and_a_line_a_row_in_rfc_4180() -> None:
    assert write_bytes(FileFormat.CSV, ROWS[:1], ROWS[1:]).decode().splitlines() == [
        "pat_num,bal_total,share,aging_date,at,name",
        '9007199254740993,-0.05,0.25,2026-03-07,2026-03-08T07:00:00.250Z,"Said ""no"", twice"',
        "2,92233720368547758.07,,,,",
        "3,,0.0,2026-03-08,2026-03-08T07:00:00.250Z,",
    ]


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "\n", "\uff1d"])
def test_a_text_in_csv_is_no_formula_of_a_spreadsheet_whatever_a_label_is_called(mark: str) -> None:
    label, number = f"{mark}HYPERLINK(1)=x", -5
    columns = (ExportColumn("name", ColumnType.TEXT), ExportColumn("bal_total", ColumnType.MONEY))
    file = io.BytesIO()
    write_rows(file, Layout(FileFormat.CSV, columns, Envelope()), [[(label, number), ("region=west", number)]])
    text = file.getvalue().decode()
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [[f"'{label}", "-0.05"], ["region=west", "-0.05"]]


def test_ndjson_is_an_object_a_line() -> None:
    first, second, _ = map(json.loads, write_bytes(FileFormat.NDJSON, ROWS).splitlines())
    assert first == {
        "pat_num": 9007199254740993,
        "bal_total": "-0.05",
        "share": 0.25,
        "aging_date": "2026-03-07",
        "at": "2026-03-08T07:00:00.250Z",
        "name": 'Said "no", twice',
    }
    assert (second["bal_total"], second["name"]) == ("92233720368547758.07", None)


@pytest.mark.parametrize("batches", [(), ([],), (ROWS,), (ROWS[:1], [], ROWS[1:])])
@pytest.mark.parametrize("head", [{}, {"office": "elm", "snapshot": {"id": 7}}])
def test_json_is_one_document_with_its_head(batches: tuple[list[Row], ...], head: dict[str, Any]) -> None:
    document = json.loads(write_bytes(FileFormat.JSON, *batches, envelope=Envelope("balances", head)))
    assert list(document) == [*head, "balances"]
    assert {name: document[name] for name in head} == head
    assert [row["pat_num"] for row in document["balances"]] == [row[0] for rows in batches for row in rows]


def test_parquet_is_typed_and_exact(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(write_bytes(FileFormat.PARQUET, ROWS[:1], ROWS[1:]))
    table = parquet.read_table(path)
    assert [str(field.type) for field in table.schema] == [
        "int64",
        "decimal128(19, 2)",
        "double",
        "date32[day]",
        "timestamp[us, tz=UTC]",
        "string",
    ]
    assert table.column("bal_total").to_pylist() == [Decimal("-0.05"), Decimal("92233720368547758.07"), None]
    assert table.column("pat_num").to_pylist() == [9007199254740993, 2, 3]
    assert table.column("at").to_pylist() == [AT, None, AT]
    assert parquet.ParquetFile(path).metadata.num_row_groups == 2


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_money_is_the_same_to_the_cent_in_every_format(cents: list[int]) -> None:
    columns = (ExportColumn("bal_total", ColumnType.MONEY),)
    files = {form: io.BytesIO() for form in FORMS}
    for form, file in files.items():
        write_rows(file, Layout(form, columns), [[(each,) for each in cents]])
        file.seek(0)
    lines = csv.DictReader(io.TextIOWrapper(files[FileFormat.CSV]))
    amounts = [
        [row["bal_total"] for row in lines],
        [json.loads(line)["bal_total"] for line in files[FileFormat.NDJSON]],
        [row["bal_total"] for row in json.load(files[FileFormat.JSON])["rows"]],
        parquet.read_table(files[FileFormat.PARQUET]).column("bal_total").to_pylist(),
    ]
    assert [[int(Decimal(value).scaleb(2)) for value in values] for values in amounts] == [cents] * len(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_its_owner_s_alone_and_its_manifest_proves_it(tmp_path: Path, form: FileFormat) -> None:
    path = tmp_path / f"today.{form}"
    path.write_text("yesterday's")
    path.chmod(0o644)
    done = export(path, Layout(form, COLUMNS), [ROWS[:1], ROWS[2:]], {"office": "elm"})
    manifest = json.loads((tmp_path / f"today.{form}.manifest.json").read_text())
    assert manifest == {
        "file": path.name,
        "format": form.value,
        "office": "elm",
        "rows": 2,
        "totals": {"bal_total": "-0.05"},
        "columns": [{"name": column.name, "type": column.kind.name.lower()} for column in COLUMNS],
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert (done.rows, done.totals, done.sha256) == (2, {"bal_total": -5}, manifest["sha256"])
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("form", FORMS)
def test_an_interrupted_export_leaves_the_previous_file_and_its_manifest(tmp_path: Path, form: FileFormat) -> None:
    path, layout = tmp_path / f"today.{form}", Layout(form, COLUMNS)
    export(path, layout, [ROWS[:1]])
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}

    def broken_off() -> Iterator[list[Row]]:
        yield ROWS[1:]
        raise InterruptedError

    with pytest.raises(InterruptedError):
        export(path, layout, broken_off())
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_no_manifest_ever_stands_beside_a_file_that_it_does_not_describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, layout = tmp_path / "today.csv", Layout(FileFormat.CSV, COLUMNS)
    export(path, layout, [ROWS[:1]])
    listings: list[list[str]] = []
    replace = Path.replace

    def replace_and_list(self: Path, target: Path) -> Path:
        done = replace(self, target)
        listings.append(sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith(".")))
        return done

    monkeypatch.setattr(Path, "replace", replace_and_list)
    export(path, layout, [ROWS[2:]])
    assert listings == [["today.csv"], ["today.csv", "today.csv.manifest.json"]]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    link, target = tmp_path / "today.csv", tmp_path / "share" / "real.csv"
    link.symlink_to(target)
    export(link, Layout(FileFormat.CSV, COLUMNS), [ROWS[:1]])
    assert link.is_symlink()
    assert target.is_file()
    assert (tmp_path / "share" / "real.csv.manifest.json").is_file()


def test_without_pyarrow_parquet_names_what_to_install_and_begins_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissing, match=r"pip install 'oddaemon\[parquet\]'"):
        export(tmp_path / "today.parquet", Layout(FileFormat.PARQUET, COLUMNS), [ROWS])
    assert list(tmp_path.iterdir()) == []
