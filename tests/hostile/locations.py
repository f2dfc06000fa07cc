"""Targets of redirects that no client should follow; httpx raises for some of them, whether it follows them or not."""

HOSTILE_LOCATIONS = (
    "about:blank",
    "mailto:office@example.com",
    "data:text/html,x",
    "javascript:alert(1)",
    "http:foo",
    "https:",
    "https:///path",
    "//",
    "https://[v1.x]/",
    "https://example.com/\x01\x7f",
    "https://example.com/" + "x" * 50_000,
    "%",
    "?",
)
