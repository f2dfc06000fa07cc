"""A variable that names no trusted certificates is named as the cause when a certificate is refused."""

import os
import ssl
from pathlib import Path

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.http_client.tls import describe_tls_error, find_ca_problem
from oddaemon.opendental.connectivity import check_connectivity
from oddaemon.settings import try_load
from tests.certificates import make_client_context, make_server_context
from tests.opendental.loopback_server import get_failure_at, loopback_server, respond_with

NOWHERE = "/nowhere/ca.pem"


@pytest.mark.parametrize("content", [None, "", "no certificate"], ids=["missing", "empty", "other"])
def test_a_file_without_a_certificate_is_a_problem(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    problem = find_ca_problem({"SSL_CERT_FILE": str(path)})
    assert ("SSL_CERT_FILE" in problem, str(path) in problem) == (True, True)


def test_a_directory_that_is_none_is_a_problem(tmp_path: Path) -> None:
    assert "SSL_CERT_DIR" in find_ca_problem({"SSL_CERT_DIR": "/nowhere/certs"})
    assert find_ca_problem({"SSL_CERT_DIR": f"/nowhere/certs{os.pathsep}{tmp_path}"}) == ""


def test_what_names_certificates_or_nothing_at_all_is_no_problem(certificate: Path) -> None:
    assert find_ca_problem({"SSL_CERT_FILE": str(certificate / "certificate.pem")}) == ""
    assert find_ca_problem({}) == ""


def test_check_warns_of_it(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text('[api]\ndeveloper_key_env = "D"\n')
    warned = try_load(path, {"D": "Qm7xT2kLp9RvWc4Z", "SSL_CERT_FILE": NOWHERE}).warnings
    assert [NOWHERE in each.message for each in warned].count(True) == 1


async def test_a_refused_certificate_names_it_for_the_api_the_doctor_and_sinks(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", NOWHERE)
    async with loopback_server(respond_with(), make_server_context(certificate)) as port:
        failure = await get_failure_at(port, scheme="https")
        found = await check_connectivity(f"https://127.0.0.1:{port}/api/v1", make_client_context(), 10.0)
    assert (failure.kind, NOWHERE in failure.message) == (FailureKind.TLS, True)
    assert NOWHERE in found.message
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "unable to get local issuer certificate"
    assert NOWHERE in describe_tls_error("example.com", error)
