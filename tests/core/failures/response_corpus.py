"""Answers that are no success, and the failure that each must be named: documented, seen in the field, or invented.

Each group has one status and two verdicts, for a GET and for a ShortQuery, and the bodies that share them.
"""

from typing import NamedTuple

from oddaemon.core.failures.failure import FailureKind

# ruff: noqa: RUF001  typographic apostrophes and hyphens are what some of these bodies are about


class ResponseGroup(NamedTuple):
    """Bodies of one status that mean the same."""

    title: str
    status: int
    get_kind: FailureKind
    query_kind: FailureKind
    bodies: tuple[str, ...]


class CorpusResponse(NamedTuple):
    """One answer and its names."""

    status: int
    body: str
    get_kind: FailureKind
    query_kind: FailureKind


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

RESPONSE_GROUPS = (
    ResponseGroup(
        "the office's eConnector is not running: seen 899 times in one week",
        400,
        FailureKind.ECONNECTOR_DOWN,
        FailureKind.ECONNECTOR_DOWN,
        (
            f'"{ECONNECTOR_TEXT}"',
            ECONNECTOR_TEXT,
            ECONNECTOR_TEXT.upper(),
            ECONNECTOR_TEXT.lower(),
            "\ufeff" + f'"{ECONNECTOR_TEXT}"',
            f"  \r\n {ECONNECTOR_TEXT}\r\n",
            "The office’s eConnector isn’t running. Please contact the office to start their eConnector.",
            '"The office\\u2019s eConnector is not running."',
            "The office&#39;s eConnector is not running.",
            "E-Connector not running",
            "The e connector of this office is stopped.",
            "The office’s e\u2011Connector is not running.",
            "Service OpenDentalEConnector is not responding.",
            "OpenDentalEConnector.exe has stopped working",
            "Multiple eConnectors are running for this office. Please stop all but one.",
            "Two eConnectors are running.",
            "No eConnector found for this customer.",
            "Unable to connect to the office's eConnector.",
            "The eConnector has not sent a heartbeat for 3 days.",
            '{"message":"The office\'s eConnector is not running."}',
            '{"Message": "The office\'s eConnector is not running.", "StatusCode": 400}',
            '{"error":{"code":"ECONN","message":"The office\'s eConnector is not running."}}',
            '{"errors":[{"detail":"The office\'s eConnector is not running."}]}',
            '["The office\'s eConnector is not running."]',
            '"\\"The office\'s eConnector is not running.\\""',
            PROBLEM % "The office's eConnector is not running.",
            "<p>The office's <b>eConnector</b> is not running.</p>",
            NGINX % ("400 Bad Request", "The office's eConnector is not running."),
            "Der eConnector der Praxis läuft nicht. Bitte wenden Sie sich an die Praxis.",
            "El eConnector de la oficina no se está ejecutando. Póngase en contacto con la oficina.",
            "L’eConnector du cabinet n’est pas en cours d’exécution.",
            "O eConnector do consultório não está em execução.",
            "L'eConnector dello studio non è in esecuzione.",
            "De eConnector van de praktijk is niet actief.",
            "eConnector кабинета не запущен.",
            "诊所的 eConnector 未运行。",
            "eConnector が実行されていません。",
            "x" * 5_000 + " eConnector is not running " + "y" * 5_000,
            "\0".join("The office's eConnector is not running."),
        ),
    ),
    ResponseGroup(
        "the same under other statuses",
        500,
        FailureKind.ECONNECTOR_DOWN,
        FailureKind.ECONNECTOR_DOWN,
        (f'"{ECONNECTOR_TEXT}"', '{"message":"eConnector timed out"}'),
    ),
    ResponseGroup(
        "the same as a refusal",
        401,
        FailureKind.ECONNECTOR_DOWN,
        FailureKind.ECONNECTOR_DOWN,
        (f'"{ECONNECTOR_TEXT}"', "eConnector is asleep"),
    ),
    ResponseGroup(
        "the key is no office's yet",
        400,
        FailureKind.KEY_UNASSIGNED,
        FailureKind.KEY_UNASSIGNED,
        (
            '"API key has not been assigned."',
            "API key has not been assigned.",
            "API KEY HAS NOT BEEN ASSIGNED",
            "This API key is unassigned.",
            "The customer key is not assigned to an office.",
            "Key was never assigned.",
            '{"message":"API key has not been assigned."}',
            "\ufeffAPI key has not been assigned.",
            "<html><body>API key has not been assigned.</body></html>",
            "API key has not been assigned to an eConnector.",
        ),
    ),
    ResponseGroup(
        "the same as a refusal",
        401,
        FailureKind.KEY_UNASSIGNED,
        FailureKind.UNKNOWN_401,
        ('"API key has not been assigned."', "unassigned key", '{"error":"Key not assigned"}'),
    ),
    ResponseGroup(
        "the office's version is too old",
        400,
        FailureKind.VERSION_TOO_OLD,
        FailureKind.VERSION_TOO_OLD,
        (
            "Error. This is most likely a version issue.",
            '"Error. This is most likely a version issue. Please make sure the office is on the latest version."',
            "Error. This is most likely a version issue. Update the eConnector.",
            "ERROR. THIS IS MOST LIKELY A VERSION ISSUE",
            "This feature requires version 21.2 or later.",
            "The office's version is too old for this request.",
            "Please update Open Dental to use the API.",
            "Please upgrade to a newer version of Open Dental.",
            "Open Dental must be updated before this method can be used.",
            "Minimum version for queries is 21.2.",
            "Version not supported.",
            '{"message":"The office version is outdated."}',
            "Die Version ist zu alt.",
            "Cette version est obsolète.",
        ),
    ),
    ResponseGroup(
        "the office cannot be reached",
        400,
        FailureKind.OFFICE_NETWORK,
        FailureKind.OFFICE_NETWORK,
        (
            "Unable to connect to the office.",
            '"Unable to connect to the remote server"',
            "The remote name could not be resolved: 'office-1234'",
            "No connection could be made because the target machine actively refused it 10.0.0.5:30223",
            "An existing connection was forcibly closed by the remote host.",
            "The request timed out.",
            "The operation has timed out",
            "A task was canceled: request timeout",
            "A connection attempt failed because the connected party did not properly respond after a period of time",
            "The office's network is unreachable.",
            "Could not reach the office.",
            "The office is offline.",
            "The office could not be reached.",
            "No such host is known.",
            "no route to host",
            "Connection reset by peer: the connection was reset",
            "The underlying connection was closed: An unexpected error occurred on a send.",
            '{"Message":"An error has occurred.","ExceptionMessage":"Unable to connect to the remote server"}',
            "Die Verbindung mit dem Remoteserver kann nicht hergestellt werden.",
            "Der Remotename konnte nicht aufgelöst werden: 'praxis'",
            "Zeitüberschreitung bei der Anforderung",
            "No es posible conectar con el servidor remoto",
            "Se agotó el tiempo de espera de la solicitud",
            "Impossible de se connecter au serveur distant",
            "Le délai d’attente de l’opération a expiré.",
            "Impossibile effettuare la connessione al server remoto.",
            "Kan geen verbinding maken met de externe server",
        ),
    ),
    ResponseGroup(
        "the office's database is in trouble",
        400,
        FailureKind.OFFICE_DATABASE,
        FailureKind.OFFICE_DATABASE,
        (
            "Unable to connect to any of the specified MySQL hosts.",
            "Can't connect to MySQL server on 'localhost' (10061)",
            "Too many connections",
            "Table './opendental/patient' is marked as crashed and should be repaired",
            "Index for table './opendental/patient' is corrupt; try to repair it",
            "Lock wait timeout exceeded; try restarting transaction",
            "Deadlock found when trying to get lock; try restarting transaction",
            'Got error 28 "No space left on device" from storage engine Aria',
            "Incorrect key file for table 'C:\\Windows\\TEMP\\#sql1a2c_1_3.MYI'; try to repair it",
            "Can't open file: 'patient.MYI' (errno: 145)",
            "Can’t create table file",
            "MySQL server has gone away",
            "Lost connection to MySQL server during query",
            "Lost connection to server during query",
            "Server shutdown in progress",
            "The MySQL server is running with the --read-only option so it cannot execute this statement",
            "SELECT command denied to user 'oduser'@'localhost' for table `opendental`.`patient`",
            "Access denied for user 'oduser'@'localhost' (using password: YES)",
            "Authentication to host 'localhost' for user 'root' using method 'mysql_native_password' failed",
            "The table '/tmp/#sql_1_0' is full",
            "Out of memory (Needed 128917 bytes)",
            '{"message":"Unable to connect to any of the specified MySQL hosts."}',
        ),
    ),
    ResponseGroup(
        "the same as an error of the API's",
        500,
        FailureKind.OFFICE_DATABASE,
        FailureKind.OFFICE_DATABASE,
        ("Unable to connect to any of the specified MySQL hosts.", '"Too many connections"'),
    ),
    ResponseGroup(
        "the office's database took too long",
        400,
        FailureKind.TIMEOUT,
        FailureKind.TIMEOUT,
        (
            "Query execution was interrupted",
            "Query execution was interrupted (max_statement_time exceeded)",
            "Query execution was interrupted, maximum statement execution time exceeded",
            "Timeout expired.  The timeout period elapsed prior to completion of the operation.",
            "Fatal error encountered during command execution: command timeout",
        ),
    ),
    ResponseGroup(
        "the database refuses the statement",
        400,
        FailureKind.UNKNOWN_400,
        FailureKind.SQL_ERROR,
        (
            SYNTAX,
            f'"{SYNTAX}"',
            SYNTAX.replace("'", "’"),
            "Unknown column 'BalTotl' in 'field list'",
            "Unknown column 'BalTotl' in 'SELECT'",
            "Unknown table 'x'",
            "Table 'opendental.patient' doesn't exist",
            "Table ‘opendental.patient’ doesn’t exist",
            "FUNCTION opendental.NOSUCH does not exist",
            "Invalid use of group function",
            "Column 'ClinicNum' in field list is ambiguous",
            "Not unique table/alias: 'patient'",
            "Every derived table must have its own alias",
            "Incorrect parameter count in the call to native function 'CRC32'",
            "Parameter '@ClinicNum' must be defined.",
            "Duplicate column name 'L0'",
            "Subquery returns more than 1 row",
            "Operand should contain 1 column(s)",
            "'opendental.patient.LName' isn't in GROUP BY",
            "Expression #1 of SELECT list is not in GROUP BY clause and contains nonaggregated column",
            "BIGINT value is out of range in '(`opendental`.`patient`.`PatNum` * 9)'",
            "Illegal mix of collations (latin1_swedish_ci,IMPLICIT) and (utf8_general_ci,COERCIBLE) for operation '='",
            "COLLATION 'utf8mb4_bin' is not valid for CHARACTER SET 'latin1'",
            "Incorrect datetime value: '2026-13-01'",
            "The SELECT would examine more than MAX_JOIN_SIZE rows; check your WHERE and use SET SQL_BIG_SELECTS=1",
            "{\"message\":\"Unknown column 'BalTotl' in 'field list'\"}",
            "Fehler in der SQL-Syntax. Bitte die korrekte Syntax im Handbuch nachschlagen",
            "Erreur de syntaxe près de 'FORM patient' à la ligne 1",
            "Body must be a JSON object with a SqlCommand.",
        ),
    ),
    ResponseGroup(
        "the database refuses the statement, and repeats words of it that mean nothing",
        400,
        FailureKind.VERSION_TOO_OLD,
        FailureKind.SQL_ERROR,
        (SYNTAX.replace("FORM patient", "network timed out, version issue, eConnector"),),
    ),
    ResponseGroup(
        "the API does not let the statement through, in other words",
        400,
        FailureKind.PERMISSION_MISSING,
        FailureKind.QUERY_REFUSED,
        ("This word is not permitted in queries.", "Permission for this command: not allowed in a query"),
    ),
    ResponseGroup(
        "the API does not let the statement through, on a page",
        400,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.QUERY_REFUSED,
        ('<html><body>Query cannot contain "SCHEMA".</body></html>',),
    ),
    ResponseGroup(
        "the API does not let the statement through",
        400,
        FailureKind.UNKNOWN_400,
        FailureKind.QUERY_REFUSED,
        (
            'Query cannot contain "SCHEMA".',
            '"Query cannot contain \\"SCHEMA\\"."',
            "Query cannot contain “SCHEMA”.",
            "Query can’t contain ‘SCHEMA’.",
            "Query can not contain GROUP_CONCAT.",
            'QUERY CANNOT CONTAIN "SCHEMA".',
            "Query must start with SELECT.",
            "Queries must not contain semicolons.",
            "Query may not contain comments.",
            "GROUP_CONCAT is not allowed in a query.",
            "Only SELECT statements can be run.",
            "Forbidden word: INTO",
            "Query cannot contain &quot;SCHEMA&quot;.",
            '{"message":"Query cannot contain \\"SCHEMA\\"."}',
        ),
    ),
    ResponseGroup(
        "the same as a refusal: no verdict on the key",
        401,
        FailureKind.KEY_REJECTED,
        FailureKind.QUERY_REFUSED,
        (
            'Query cannot contain "SCHEMA".',
            '"Query cannot contain \\"SCHEMA\\"."',
            "Query cannot contain “SCHEMA”.",
            "Query must start with SELECT.",
            "Only SELECT is allowed.",
            '{"error":"Query cannot contain \\"VERSION ISSUE\\"."}',
        ),
    ),
    ResponseGroup(
        "the statement is too long",
        400,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.QUERY_REFUSED,
        (
            "<html><body><h1>Bad Request - Request Too Long</h1></body></html>",
            NGINX % ("400 Request entity too large", "Request entity too large"),
        ),
    ),
    ResponseGroup(
        "too large",
        413,
        FailureKind.UNEXPECTED_STATUS,
        FailureKind.QUERY_REFUSED,
        ("", NGINX % ("413", "Request Entity Too Large")),
    ),
    ResponseGroup(
        "the key is dead",
        400,
        FailureKind.KEY_REJECTED,
        FailureKind.UNKNOWN_400,
        (
            "Invalid API key.",
            '"Customer key is not valid."',
            "The developer key was revoked.",
            "Unknown customer key",
            "API key is disabled.",
            "API key expired",
            '{"message":"API key not recognized"}',
        ),
    ),
    ResponseGroup(
        "the key is dead, or so it seems",
        401,
        FailureKind.KEY_REJECTED,
        FailureKind.UNKNOWN_401,
        (
            "",
            '""',
            "null",
            "{}",
            "Unauthorized",
            '"Unauthorized"',
            '{"Message":"Authorization has been denied for this request."}',
            "API key is disabled.",
            "Developer key or customer key is not valid.",
            "Invalid API key.",
            "Ungültiger Schlüssel",
            "Clé non valide",
            "密钥无效",
            "Error.",
            "This is most likely a version issue.",
            SYNTAX,
            "The request timed out.",
            "🔒",
            IIS
            % (
                "401 - Unauthorized: Access is denied due to invalid credentials.",
                "401 - Unauthorized: Access is denied due to invalid credentials.",
            ),
            "x" * 30_000,
        ),
    ),
    ResponseGroup(
        "forbidden",
        403,
        FailureKind.KEY_REJECTED,
        FailureKind.UNKNOWN_401,
        ("", "Forbidden", '"Forbidden"', '{"message":"Forbidden"}', "Your API key has been blocked."),
    ),
    ResponseGroup(
        "the key lacks a permission",
        401,
        FailureKind.PERMISSION_MISSING,
        FailureKind.UNKNOWN_401,
        (
            "API key does not have the Queries permission.",
            '"API key does not have permission for this."',
            "Permission denied",
            "Not authorized for this resource.",
            "You are not permitted to use this method.",
            '{"message":"Insufficient permissions."}',
            "NO PERMISSION",
        ),
    ),
    ResponseGroup(
        "the key lacks a permission, said with 403",
        403,
        FailureKind.PERMISSION_MISSING,
        FailureKind.UNKNOWN_401,
        ("Permission missing: Queries", '{"error":"missing permission"}'),
    ),
    ResponseGroup(
        "a gateway refuses",
        403,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.GATEWAY_REFUSED,
        (
            NGINX % ("403 Forbidden", "403 Forbidden"),
            IIS % ("403 - Forbidden: Access is denied.", "403 - Forbidden: Access is denied."),
            CLOUDFLARE % ("Attention Required!", "Sorry, you have been blocked"),
            CLOUDFLARE % ("Just a moment...", "Checking your browser before accessing"),
            "error code: 1020 Cloudflare",
            "Your IP address has been blocked.",
            "This network has been suspended because of too much traffic.",
            "Blocked by the web application firewall.",
            "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY>Reference #18.2f2c1602</BODY></HTML>",
            "\ufeff<!doctype html><title>Forbidden</title>",
            "Please solve the CAPTCHA",
        ),
    ),
    ResponseGroup(
        "a gateway takes the request for a bad one",
        400,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.GATEWAY_REFUSED,
        (
            NGINX % ("400 Bad Request", "400 Bad Request"),
            NGINX % ("400 The plain HTTP request was sent to HTTPS port", "400 Bad Request"),
            "<html>Bad Request</html>",
            CLOUDFLARE % ("400 Bad Request", "400 Bad Request"),
            (
                "<!DOCTYPE HTML PUBLIC><HTML><HEAD><TITLE>Bad Request</TITLE></HEAD><BODY><h2>Bad Request - Invalid "
                "Hostname</h2></BODY></HTML>"
            ),
            '<?xml version="1.0"?><html><body>Bad Request</body></html>',
        ),
    ),
    ResponseGroup(
        "the cause is unknown",
        400,
        FailureKind.UNKNOWN_400,
        FailureKind.UNKNOWN_400,
        (
            "",
            '""',
            "null",
            "{}",
            "[]",
            "0",
            "Bad Request",
            '"Error."',
            "Error.",
            "ERROR",
            '{"title":"Bad Request","status":400}',
            '{"message":""}',
            "Something went wrong",
            "Object reference not set to an instance of an object.",
            "Es ist ein Fehler aufgetreten.",
            "Se ha producido un error.",
            "Произошла ошибка.",
            "エラーが発生しました。",
            "حدث خطأ",
            "\x00\x01\x02",
            "\ufeff",
            " \r\n ",
            '{"message":',
            "[" * 20_000,
            '{"a":' * 5_000,
            "a" * 100_000,
            "Content-Type header must be application/json.",
        ),
    ),
    ResponseGroup(
        "no such resource",
        404,
        FailureKind.NOT_FOUND,
        FailureKind.NOT_FOUND,
        ("", '"Resource not found."', NGINX % ("404", "404")),
    ),
    ResponseGroup("removed", 410, FailureKind.NOT_FOUND, FailureKind.NOT_FOUND, ("", "This resource was removed.")),
    ResponseGroup(
        "too many queued",
        429,
        FailureKind.THROTTLED,
        FailureKind.THROTTLED,
        ("", '"Too many requests."', NGINX % ("429", "429"), ECONNECTOR_TEXT),
    ),
    ResponseGroup(
        "the office took too long",
        504,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        (
            "",
            NGINX % ("504 Gateway Time-out", "504 Gateway Time-out"),
            "upstream request timeout",
            f'"{ECONNECTOR_TEXT}"',
        ),
    ),
    ResponseGroup(
        "Cloudflare's name for it",
        524,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        (CLOUDFLARE % ("524", "A timeout"),),
    ),
    ResponseGroup(
        "headquarters has an error",
        500,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (
            "",
            "Internal Server Error",
            '{"Message":"An error has occurred."}',
            IIS % ("500 - Internal server error.", "500 - Internal server error."),
            NGINX % ("500 Internal Server Error", "500 Internal Server Error"),
            NGINX % ("500", "could not find the eConnector page"),
        ),
    ),
    ResponseGroup(
        "bad gateway",
        502,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (NGINX % ("502 Bad Gateway", "502 Bad Gateway"), ""),
    ),
    ResponseGroup(
        "unavailable",
        503,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (IIS % ("503", "Service Unavailable"), "maintenance", ""),
    ),
    ResponseGroup(
        "Cloudflare finds no server",
        522,
        FailureKind.SERVER_ERROR,
        FailureKind.SERVER_ERROR,
        (CLOUDFLARE % ("522", "Timed out"), ""),
    ),
    ResponseGroup(
        "a proxy of ours",
        407,
        FailureKind.CONNECT,
        FailureKind.CONNECT,
        ("", NGINX % ("407", "Proxy Authentication Required")),
    ),
    ResponseGroup("a hotel's network", 511, FailureKind.CONNECT, FailureKind.CONNECT, ("<html>Please log in</html>",)),
    ResponseGroup("slow request", 408, FailureKind.TIMEOUT, FailureKind.TIMEOUT, ("", "Request Timeout")),
    ResponseGroup(
        "moved",
        301,
        FailureKind.UNEXPECTED_STATUS,
        FailureKind.UNEXPECTED_STATUS,
        ("", NGINX % ("301", "Moved Permanently")),
    ),
    ResponseGroup(
        "a teapot", 418, FailureKind.UNEXPECTED_STATUS, FailureKind.UNEXPECTED_STATUS, ("I'm a teapot", ECONNECTOR_TEXT)
    ),
    ResponseGroup("no status of HTTP", 600, FailureKind.UNEXPECTED_STATUS, FailureKind.UNEXPECTED_STATUS, ("",)),
)

RESPONSES = tuple(
    CorpusResponse(group.status, body, group.get_kind, group.query_kind)
    for group in RESPONSE_GROUPS
    for body in group.bodies
)
