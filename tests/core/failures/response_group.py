"""Groups of responses that are no success, and the page templates of the servers that send them."""

from typing import NamedTuple

from oddaemon.core.failures.failure import FailureKind


class ResponseGroup(NamedTuple):
    """Bodies of one status that mean the same."""

    title: str
    status: int
    get_kind: FailureKind
    query_kind: FailureKind
    bodies: tuple[str, ...]


PROBLEM = '{"type":"about:blank","title":"Bad Request","status":400,"detail":"%s","traceId":"00-84c1fd4063c38d9f-01"}'
NGINX = (
    "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr><center>nginx"
    "</center>\r\n</body>\r\n</html>\r\n"
)
IIS = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html><head><title>%s</title><style type="text/css"><!--'
    "body{margin:0;font-size:.7em;}--></style></head><body><div id=header><h1>Server Error</h1></div><h2>%s</h2></body>"
    "</html>"
)
CLOUDFLARE = (
    "<!DOCTYPE html>\n<!--[if lt IE 7]> <html class='no-js ie6 oldie' lang='en-US'> <![endif]-->\n<head><title>%s | "
    "api.opendental.com | Cloudflare</title></head><body><div id='cf-wrapper'><h1>%s</h1><p>Ray ID: 8c2f1e7a0b9d</p>"
    "</div></body></html>"
)
SYNTAX = (
    "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the "
    "right syntax to use near 'FORM patient' at line 1"
)
ECONNECTOR_TEXT = "The office's eConnector is not running. Please contact the office to start their eConnector."
