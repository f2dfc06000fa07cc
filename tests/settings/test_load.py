import os
import stat
import tomllib
from dataclasses import replace
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.model import Cadence, Include, OfficeCredentials, OfficeSpec, Plausibility, Reader
from oddaemon.settings import (
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    LoadResult,
    LogSettings,
    MaintenanceSettings,
    OfficeSettings,
    Secret,
    Settings,
    StateSettings,
    load,
    try_load,
)
from oddaemon.settings.model import keep_restart_tables
from tests.golden import GoldenTexts

ENVIRONMENT = {"D": "Qm7xT2kLp9RvWc4Z", "A": "Hb3nY8sVd5FqXg1J", "B": "Zk4wN6tBc8MrHj2P", "C": "Wd9pX5hTz3KqLs7V"}
API = '[api]\ndeveloper_key_env = "D"\n'


def write_private(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path


def load_text(directory: Path, text: str) -> LoadResult:
    return try_load(write_private(directory / "oddaemon.toml", text), ENVIRONMENT)


def load_settings(directory: Path, text: str) -> Settings:
    return load(write_private(directory / "oddaemon.toml", text), ENVIRONMENT)


def load_office(directory: Path, text: str, api: str = API) -> OfficeSettings:
    settings = load_settings(directory, f'{api}[[office]]\nid = "smile"\ncustomer_key_env = "A"\n{text}')
    return next(iter(settings.offices.values()))


def test_a_developer_key_is_all_that_must_be_said(tmp_path: Path, golden: GoldenTexts) -> None:
    loaded = load_text(tmp_path, API)
    assert loaded.settings == Settings(
        source=tmp_path / "oddaemon.toml",
        api=ApiSettings(
            developer_key=Secret(ENVIRONMENT["D"]),
            base_url="https://api.opendental.com/api/v1",
            max_in_flight=64,
            max_requests_per_second=20.0,
            request_timeout_seconds=75.0,
            connect_timeout_seconds=10.0,
            max_response_bytes=67_108_864,
        ),
        state=StateSettings(database_url=Secret(str(tmp_path / "oddaemon.db")), retain_days=400),
        http=HttpSettings(listen="127.0.0.1:9464", allowed_hosts=[], control_socket=tmp_path / "oddaemon.db.sock"),
        daemon=DaemonSettings(drain_seconds=70.0, restarts_max=5, restarts_within_seconds=600.0),
        log=LogSettings(format="auto", level="info"),
        maintenance=MaintenanceSettings(
            prune="0 3 * * *",
            incremental_vacuum="10 3 * * *",
            wal_checkpoint="15 3 * * *",
            backup="30 3 * * *",
            backup_directory=None,
            backup_keep=7,
            integrity_check="45 4 * * 0",
            digest="30 7 * * *",
        ),
    )
    golden.check([warning.message for warning in loaded.warnings])


def test_an_office_needs_an_id_and_a_key(tmp_path: Path) -> None:
    assert load_office(tmp_path, "") == OfficeSettings(
        spec=OfficeSpec(id="smile", name="smile", page_rows=100),
        credentials=OfficeCredentials(
            office_id="smile",
            developer_key=Secret(ENVIRONMENT["D"]),
            customer_key=Secret(ENVIRONMENT["A"]),
            base_url="https://api.opendental.com/api/v1",
            min_interval_seconds=1.0,
            remote=True,
        ),
        source=tmp_path / "oddaemon.toml",
    )


def test_an_office_says_everything(tmp_path: Path) -> None:
    text = """
        name = "Smile Dental"
        timezone = "America/Phoenix"
        tier = "enterprise"
        min_interval_seconds = 0.75
        clinics = [0, 3]
        include = "debts"
        fresh_by = "05:30"
        reader = "pages"
        enabled = false
        [office.labels]
        region = "west"
        account = "12"
        """
    settings = load_office(tmp_path, text)
    assert settings.credentials.min_interval_seconds == 0.75
    assert settings.spec == OfficeSpec(
        id="smile",
        name="Smile Dental",
        zone=ZoneInfo("America/Phoenix"),
        clinics=(0, 3),
        include=Include.DEBTS,
        reader=Reader.PAGES,
        fresh_by=time(5, 30),
        enabled=False,
        page_rows=100,
        labels=(("account", "12"), ("region", "west")),
    )


def test_an_office_may_never_be_late(tmp_path: Path) -> None:
    assert load_office(tmp_path, 'fresh_by = ""').spec.fresh_by is None


@pytest.mark.parametrize(("tier", "spacing_seconds"), [("standard", 1.0), ("enterprise", 0.5)])
def test_the_tier_sets_the_spacing(tmp_path: Path, tier: str, spacing_seconds: float) -> None:
    assert load_office(tmp_path, f'tier = "{tier}"').credentials.min_interval_seconds == spacing_seconds


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:30222/api/v1",
        "http://127.0.0.1:30222/api/v1",
        "http://[::1]:30222/api/v1",
        "http://192.168.1.4:30223/api/v1",
        "http://10.0.0.9:30223/api/v1",
        "https://server:30223/api/v1",
        "https://od.example.com/api/v1",
    ],
)
def test_an_office_with_its_own_api_is_not_throttled(tmp_path: Path, url: str) -> None:
    settings = load_office(tmp_path, f'base_url = "{url}/"')
    credentials = settings.credentials
    assert (credentials.base_url, credentials.remote, credentials.min_interval_seconds) == (url, False, 0.0)
    assert settings.spec.page_rows == 1000


@pytest.mark.parametrize("url", ["https://api.opendental.com/api/v1", "HTTPS://API.OpenDental.com./api/v1/"])
def test_headquarters_by_its_own_name_stays_throttled(tmp_path: Path, url: str) -> None:
    api = f'{API}base_url = "https://proxy.example.com/api/v1"\n'
    settings = load_office(tmp_path, f'base_url = "{url}"', api)
    credentials = settings.credentials
    assert (credentials.remote, credentials.min_interval_seconds, settings.spec.page_rows) == (True, 1.0, 100)


@pytest.mark.parametrize(
    ("written", "database"),
    [
        ("state/od.db", "sqlite+aiosqlite:///{}/state/od.db"),
        ("/var/lib/od.db", "sqlite+aiosqlite:////var/lib/od.db"),
        ("sqlite:////var/lib/od.db", "sqlite+aiosqlite:////var/lib/od.db"),
        ("sqlite+aiosqlite:///od.db", "sqlite+aiosqlite:///{}/od.db"),
    ],
)
def test_the_database_is_a_path_or_a_url(tmp_path: Path, written: str, database: str) -> None:
    settings = load_settings(tmp_path, f'{API}[state]\ndatabase = "{written}"\n')
    assert settings.state.database_url.reveal() == database.format(tmp_path)


def test_the_control_socket_stands_beside_the_database(tmp_path: Path) -> None:
    http = load_settings(tmp_path, f'{API}[state]\ndatabase = "sqlite:////var/lib/od/elm.sqlite"\n').http
    assert http.control_socket == Path("/var/lib/od/elm.sqlite.sock")


def test_a_database_too_deep_for_a_socket_beside_it_goes_without_and_says_so(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    deep = "d" * 100
    loaded = load_text(tmp_path, f'{API}[state]\ndatabase = "/{deep}/12.db"\n')
    assert loaded.settings is not None
    assert loaded.settings.http.control_socket is None
    (message,) = [warning.message for warning in loaded.warnings if warning.key == "http.control_socket"]
    golden.check(message)
    just_fits = load_settings(tmp_path, f'{API}[state]\ndatabase = "/{deep[:-8]}/12345.db"\n').http.control_socket
    assert just_fits is not None
    assert len(os.fsencode(just_fits)) == 107


def test_hosts_have_one_spelling(tmp_path: Path) -> None:
    text = f'{API}[http]\nallowed_hosts = ["Balances.Example.com.", "10.0.0.7", "::FFFF:10.0.0.7", "[FD00::0:1]"]\n'
    hosts = load_settings(tmp_path, text).http.allowed_hosts
    assert hosts == ["balances.example.com", "10.0.0.7", "10.0.0.7", "fd00::1"]


@pytest.mark.parametrize("host", ["", "*", "*.example.com", "example.com:9464", "http://example.com", "a b", "127.1"])
def test_what_is_no_host_is_not_allowed_as_one(tmp_path: Path, host: str) -> None:
    (problem,) = load_text(tmp_path, f'{API}[http]\nallowed_hosts = ["{host}"]\n').problems
    assert problem.key == "http.allowed_hosts[0]"
    assert "host name" in problem.message


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    (problem,) = load_text(tmp_path, f'{API}[state]\ndatabase = "."\n').problems
    assert problem.message == "is a directory"


@pytest.mark.parametrize(
    ("listen", "host", "port"), [("0.0.0.0:80", "0.0.0.0", 80), ("[::1]:0", "::1", 0), ("localhost:1", "localhost", 1)]
)
def test_the_listener_has_a_host_and_a_port(tmp_path: Path, listen: str, host: str, port: int) -> None:
    http = load_settings(tmp_path, f'{API}[http]\nlisten = "{listen}"\ncontrol_socket = "c.sock"\n').http
    assert (http.host, http.port, http.control_socket) == (host, port, tmp_path / "c.sock")


@pytest.mark.parametrize(
    "listen", ["localhost", ":80", "::1:80", "[::1]", "a b:80", "h:-1", "h:65536", "h:\uff180", "[h]:80"]
)
def test_other_listeners_are_refused(tmp_path: Path, listen: str) -> None:
    (problem,) = load_text(tmp_path, f'{API}[http]\nlisten = "{listen}"\n').problems
    assert problem.key == "http.listen"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("", ""),
        ("*/5 * * * *", "*/5 * * * *"),
        ("0 0 1,15 JAN-MAR *", "0 0 1,15 1,2,3 *"),
        ("0 0 1 jan-dec/6 *", "0 0 1 1,7 *"),
        ("0 */24 * * *", "0 0 * * *"),
        ("55/10 */6,13 * * *", "55 */6,13 * * *"),
        ("0 4 * * 0", "0 4 * * sun"),
        ("0 4 * * 7", "0 4 * * sun"),
        ("0 4 * * 1-5", "0 4 * * mon,tue,wed,thu,fri"),
        ("0 4 * * fri-7", "0 4 * * sun,fri,sat"),
    ],
)
def test_cron_expressions_become_such_as_the_scheduler_understands(written: str, read_as: str) -> None:
    assert MaintenanceSettings(wal_checkpoint=written).wal_checkpoint == read_as


def test_a_night_can_be_lived_in_a_second(tmp_path: Path) -> None:
    office = load_office(tmp_path, "[cadence]\nprobe_seconds = 0.01\nstart_window_seconds = 1")
    assert office.spec.cadence == Cadence(probe_seconds=0.01, start_window_seconds=1.0)


def test_what_is_believed_is_a_setting(tmp_path: Path) -> None:
    office = load_office(tmp_path, "[plausibility]\nmax_change = 2\nguarantors_min = 0\nhold_seconds = 0.5")
    assert office.spec.plausibility == Plausibility(2.0, 0, 0.5)


def test_offices_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    write_private(tmp_path / "o/b.toml", '[[office]]\nid = "b"\ncustomer_key_env = "B"\n')
    write_private(tmp_path / "o/a.toml", '[[office]]\nid = "c"\ncustomer_key_env = "C"\n')
    for ignored in (".hidden.toml", "#a.toml", "a.toml~", "a.toml.bak", ".#a.toml", "README.md"):
        write_private(tmp_path / "o" / ignored, "this not TOML")
    settings = load_settings(
        tmp_path, f'{API}[offices]\ndirectory = "o"\n[[office]]\nid = "a"\ncustomer_key_env = "A"\n'
    )
    assert [(office.spec.id, office.source.name) for office in settings.offices.values()] == [
        ("a", "oddaemon.toml"),
        ("c", "a.toml"),
        ("b", "b.toml"),
    ]
    assert settings.offices_directory == tmp_path / "o"


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    write_private(tmp_path / "o/keys/smile.key", "Hb3nY8sVd5FqXg1J\n")
    write_private(tmp_path / "o/smile.toml", '[[office]]\nid = "smile"\ncustomer_key_file = "keys/smile.key"\n')
    settings = load_settings(tmp_path, f'{API}[offices]\ndirectory = "o"\n')
    assert next(iter(settings.offices.values())).credentials.customer_key == Secret("Hb3nY8sVd5FqXg1J")


def test_reading_twice_gives_equal_settings(tmp_path: Path) -> None:
    text = f'{API}[[office]]\nid = "a"\ncustomer_key_env = "A"\ntimezone = "America/Denver"\nclinics = [1]\n'
    before = load_settings(tmp_path, text)
    assert load_settings(tmp_path, text) == before
    assert load_settings(tmp_path, text.replace("[1]", "[2]")) != before
    assert load_settings(tmp_path, text.replace('"A"', '"B"')) != before


def test_a_file_of_notepad_is_read(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_bytes(b"\xef\xbb\xbf" + API.replace("\n", "\r\n").encode())
    assert load(path, ENVIRONMENT).api.max_in_flight == 64


def test_what_cannot_be_read_is_a_problem(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "oddaemon.toml"
    golden.check([str(problem) for problem in try_load(path).problems])
    path.mkdir()
    golden.check([str(problem) for problem in try_load(path).problems])
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    golden.check([str(problem) for problem in try_load(pipe).problems])
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'name = "Caf\xe9"')
    golden.check([str(problem) for problem in try_load(latin).problems])
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 50_000)
    golden.check([str(problem) for problem in try_load(deep).problems])
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 9_000_000)
    golden.check([str(problem) for problem in try_load(large).problems])


def test_what_runs_but_should_be_thought_about_is_a_warning(tmp_path: Path) -> None:
    loaded = load_text(
        tmp_path,
        f"{API}request_timeout_seconds = 30\n"
        '[[office]]\nid = "a"\ncustomer_key_env = "A"\nmin_interval_seconds = 0.2\n'
        '[[office]]\nid = "b"\ncustomer_key_env = "B"\nbase_url = "http://10.0.0.9:30223"\n',
    )
    assert loaded.settings is not None
    assert [(warning.line, warning.key, warning.value) for warning in loaded.warnings] == [
        (3, "api.request_timeout_seconds", "30.0"),
        (7, 'office[0] "a".min_interval_seconds', "0.2"),
        (11, 'office[1] "b".base_url', '"http://10.0.0.9:30223"'),
    ]


def test_a_rehearsal_on_this_machine_is_not_warned_about(tmp_path: Path) -> None:
    loaded = load_text(
        tmp_path,
        f'{API}base_url = "http://127.0.0.1:8080/api/v1"\nrequest_timeout_seconds = 1\n'
        '[[office]]\nid = "a"\ncustomer_key_env = "A"\nmin_interval_seconds = 0.01\n',
    )
    assert loaded.settings is not None
    assert loaded.warnings == ()
    assert next(iter(loaded.settings.offices.values())).credentials.remote


def test_lines_are_not_guessed_where_strings_span_several(tmp_path: Path) -> None:
    text = f'{API}[[office]]\nid = "a"\nname = """\nx"""\ncustomer_key_env = "A"\nteir = 1\n'
    assert [problem.line for problem in load_text(tmp_path, text).problems] == [None]
    assert tomllib.loads(text)["office"][0]["name"] == "x"


def test_a_reload_activates_the_developer_key_and_keeps_the_limits_of_the_start(tmp_path: Path) -> None:
    at_start = load_settings(tmp_path, API)
    api = at_start.api.model_copy(update={"developer_key": Secret("another-key"), "max_in_flight": 7})
    kept = keep_restart_tables(at_start, replace(at_start, api=api))
    assert kept.api.developer_key == Secret("another-key")
    assert kept.api.max_in_flight == at_start.api.max_in_flight
