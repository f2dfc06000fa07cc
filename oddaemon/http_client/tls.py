"""TLS of outgoing connections: one context, one way to tell why it failed."""

import ssl

from oddaemon import __version__

USER_AGENT = f"oddaemon/{__version__}"


def make_tls_context() -> ssl.SSLContext:
    """A context that trusts the system's certificates. Loading them blocks for tens of milliseconds.

    Python's default context is not used: it writes the session keys to the file that SSLKEYLOGFILE names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves that to the system's OpenSSL
    context.load_default_certs()
    return context


def find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS behind an error of a connection, where libraries hide it; None: there is none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def describe_tls_error(server: str, error: ssl.SSLError) -> str:
    """What is wrong with the TLS of a server, as one sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {server} is not trusted: {error.verify_message}."
    return f"No TLS connection to {server}: {error.reason or 'the handshake failed'}."
