"""TLS of outgoing connections: one context, one way to tell why it failed."""

import ssl
from pathlib import Path

from oddaemon import __version__
from oddaemon.http_client.host_errors import iterate_causes

USER_AGENT = f"oddaemon/{__version__}"

_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


def make_tls_context() -> ssl.SSLContext:
    """A context that trusts the system's certificates. Loading them blocks for tens of milliseconds.

    Python's default context is not used: it writes the session keys to the file that SSLKEYLOGFILE names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves that to the system's OpenSSL
    context.load_default_certs()
    return context


def find_ca_file() -> str:
    """The system's certificates in one file, for libraries that take no context of ours; empty: there is none.

    A library that brings its own OpenSSL looks for them where the machine that built it had them.
    """
    own = ssl.get_default_verify_paths().cafile
    return next((each for each in (own, *_CA_FILES) if each and Path(each).is_file()), "")


def find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS behind an error of a connection, where libraries hide it; None: there is none."""
    return next((cause for cause in iterate_causes(error) if isinstance(cause, ssl.SSLError)), None)


def describe_tls_error(server: str, error: ssl.SSLError) -> str:
    """What is wrong with the TLS of a server, as one sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {server} is not trusted: {error.verify_message}."
    return f"No TLS connection to {server}: {error.reason or 'the handshake failed'}."
