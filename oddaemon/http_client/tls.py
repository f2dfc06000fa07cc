"""TLS of outgoing connections: one context, one way to tell why it failed."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from oddaemon import __version__
from oddaemon.http_client.host_errors import iterate_causes, measure_exhaustion

USER_AGENT = f"oddaemon/{__version__}"

_CA_FILE, _CA_DIRECTORY = "SSL_CERT_FILE", "SSL_CERT_DIR"
"""The variables by which OpenSSL finds the trusted certificates."""
_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


def make_tls_context() -> ssl.SSLContext:
    """A context that trusts the system's certificates. Loading them blocks for tens of milliseconds.

    Python's default context is not used: it writes the session keys to the file that SSLKEYLOGFILE names.

    Raises:
        OSError: This process cannot open the files. OpenSSL ignores that, and the context would trust no server.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves that to the system's OpenSSL
    context.load_default_certs()
    if not context.cert_store_stats()["x509_ca"] and (exhausted := measure_exhaustion()) is not None:
        raise exhausted
    return context


def find_ca_file() -> str:
    """The system's certificates in one file, for libraries that take no context of ours; empty: there is none.

    A library that brings its own OpenSSL looks for them where the machine that built it had them.
    """
    own = ssl.get_default_verify_paths().cafile
    return next((each for each in (own, *_CA_FILES) if each and Path(each).is_file()), "")


def find_ca_problem(environment: Mapping[str, str] = os.environ) -> str:
    """What is wrong with `SSL_CERT_FILE` or `SSL_CERT_DIR`, as a clause; "": nothing.

    OpenSSL ignores a variable that names nothing, and then trusts less than intended without an error.
    """
    file, directories = environment.get(_CA_FILE), environment.get(_CA_DIRECTORY)
    if file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except OSError as error:
            # The errno of an SSLError is OpenSSL's: the file can be read and holds no certificate.
            reason = "holds no certificate" if isinstance(error, ssl.SSLError) else (error.strerror or "").lower()
            return f"{_CA_FILE} names {file}, which is not usable: {reason}"
    if directories and not any(map(os.path.isdir, directories.split(os.pathsep))):
        return f"{_CA_DIRECTORY} names {directories}, which is no directory"
    return ""


def describe_untrusted(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not trusted, as a clause, with the variable that may be the cause."""
    problem = find_ca_problem()
    return f"{error.verify_message} ({problem})" if problem else error.verify_message


def find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS behind an error of a connection, where libraries hide it; None: there is none."""
    waits = ssl.SSLWantReadError | ssl.SSLWantWriteError  # behind a time-out: no error, but what it waited for
    causes = (cause for cause in iterate_causes(error) if not isinstance(cause, waits))
    return next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)


def get_tls_reason(error: ssl.SSLError) -> str | None:
    """OpenSSL's word for what is wrong; None: the connection ended. Some versions of Python set no attribute then."""
    return getattr(error, "reason", None)


def is_end_of_connection(error: ssl.SSLError) -> bool:
    """Whether the connection ended, which some versions of Python report as an error of TLS, and of several classes.

    What TLS itself objects to always has another reason.
    """
    return get_tls_reason(error) in {None, "UNEXPECTED_EOF_WHILE_READING"}


def describe_tls_error(server: str, error: ssl.SSLError) -> str:
    """What is wrong with the TLS of a server, as one sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {server} is not trusted: {describe_untrusted(error)}."
    if is_end_of_connection(error):
        return f"The connection to {server} was lost in the middle of TLS."
    return f"No TLS connection to {server}: {get_tls_reason(error)}."
