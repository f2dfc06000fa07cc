"""Strings that must never be shown: not in a log, an error, a repr, a pickle, or the locals of a traceback.

`Secret` is for values known to be secret. `redact` is the net below it: whatever is about to be shown is searched for
what looks like an Open Dental key, because people paste keys into the wrong line.
"""

import re
from collections.abc import Callable
from itertools import pairwise

SECRET_NAMES = ("developer_key", "customer_key", "ping_url", "proxy_url", "database_url")

_RUN = re.compile(r"[A-Za-z0-9]{16,}")
_URL_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_KEY_LENGTH = 16
_CLASS_CHANGES_MIN = 6
"""Between upper case, lower case and digits. A random key of 16 has about 9, `BrightSmiles2024` has 4."""


SecretCheck = Callable[[str], object]
"""Raises `invalid` if a value is not a secret of its kind; the message never holds the value."""


def looks_like_key(text: str) -> bool:
    """Whether `text` has the shape of an Open Dental key: 16 letters and digits, thoroughly mixed."""
    return len(text) == _KEY_LENGTH and _RUN.fullmatch(text) is not None and _is_mixed(text)


def redact(text: str) -> str:
    """`text` without what looks like a key, and without the credentials of a URL."""
    text = _URL_CREDENTIALS.sub("//…@", text)
    return _RUN.sub(lambda run: "…" if _is_mixed(run.group()) else run.group(), text)


def _is_mixed(text: str) -> bool:
    changes = sum((a.isdigit(), a.isupper()) != (b.isdigit(), b.isupper()) for a, b in pairwise(text))
    return changes >= _CLASS_CHANGES_MIN
