"""Masks what may be a patient's in a text that another system wrote.

A database quotes the value that it dislikes: "Truncated incorrect DOUBLE value: 'Smith, Ann owes 1234.56'". Its words
help to find the cause, its values do not. So this masks what stands in quotes, numbers, the credentials and queries of
URLs, and what follows the name of the authorization scheme.
"""

import re

from oddaemon.core.secret import MASK

DIGITS_MIN = 4
"""Numbers of fewer digits are codes, counts and statuses."""
TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u2032\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-"),
    }
)
"""Typographic apostrophes, quotes and hyphens, by the plain character."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)(?:[^\s/?#'\"@]*@)?(?P<place>[^\s?#'\"]*)(?:[?#][^\s'\"]*)?")
_API_KEYS = re.compile(r"ODFHIR[\s:]+[^\s'\",]+")
_QUOTED = re.compile(
    # A single quote within a word is an apostrophe. A quote that is not closed runs to the end: the text may be cut.
    r"(?<!\w)(?P<quote>').*?(?:'(?!\w)|\Z)" + '|(?P<double>").*?(?:"(?!\\w)|\\Z)',
    re.DOTALL,
)
_NUMBER = re.compile(r"\d(?:[\d.,:/\-]*\d)?")
_VERSION_OR_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){2,3}")
_AMOUNT = re.compile(r"\d+[.,]\d\d")


def mask_values(text: str) -> str:
    """`text` without values that it quotes, without numbers of four digits and more, and without secrets of URLs."""
    if "://" in text:
        text = _URL.sub(_mask_url, text)
    text = _API_KEYS.sub(f"ODFHIR {MASK}", text)
    return _NUMBER.sub(_mask_number, _mask_quoted(text))


def _mask_url(url: re.Match[str]) -> str:
    return f"{url['scheme']}{url['place']}"


def _mask_quoted(text: str) -> str:
    """Mask what stands in quotes of any kind. Only these are replaced by plain ones."""
    parts, end = list[str](), 0
    for quoted in _QUOTED.finditer(text.translate(TYPOGRAPHY)):
        quote = quoted["quote"] or quoted["double"]
        parts += [text[end : quoted.start()], quote, MASK, quote]
        end = quoted.end()
    return "".join((*parts, text[end:]))


def _mask_number(number: re.Match[str]) -> str:
    text = number[0]
    digits = sum(character.isdigit() for character in text)
    is_harmless = digits < DIGITS_MIN and not _AMOUNT.fullmatch(text)
    return text if is_harmless or _VERSION_OR_ADDRESS.fullmatch(text) else MASK
