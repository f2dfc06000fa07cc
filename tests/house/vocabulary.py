"""The words that the house no longer uses, each with the better one."""

RETIRED_NAMES = {
    "ambush": "interceptor",
    "anew": "again, fresh",
    "anybody": "caller, client",
    "befall": "happen",
    "chore": "task, maintenance",
    "chronicle": "event_log",
    "crew": "services",
    "deeds": "actions",
    "desk": "commands, service",
    "eavesdropper": "recorder",
    "errand": "job",
    "former": "previous, old",
    "household": "services",
    "mailroom": "network",
    "mend": "fix, repair",
    "mended": "fixed, repaired",
    "mortal": "killable",
    "nobody": "none",
    "ordeal": "fault",
    "ordeals": "faults",
    "parcel": "delivery",
    "patience": "timeout, retry_policy",
    "picture": "view, snapshot",
    "prospect": "forecast",
    "somebody": "caller, client",
    "standing": "status",
    "stranger": "unexpected_identity",
    "surroundings": "context",
    "tell": "describe, report",
    "tells": "describes, reports",
    "told": "described, reported, known",
    "untold": "missing",
    "vitals": "activity",
    "ward": "harness",
    "whoever": "caller, client",
    "wish": "spec",
}
"""Identifiers. In a text some of them are fine: the front desk of an office, the wish of a customer."""

RETIRED_WORDS = {
    "anew": "again",
    "anybody": "the component or person that is meant",
    "befalls": "happens to",
    "former": "previous, old",
    "goes with": "requires, belongs to",
    "hard to believe": "implausible",
    "is told": "is reported, is known",
    "lives through": "survives",
    "mend": "fix, repair",
    "mended": "fixed, repaired",
    "nobody": "no client, no one who ...; say which component",
    "so many": "the number",
    "somebody": "the operator, a client; say who",
    "tells": "says, reports, shows",
    "told": "reported, known",
    "untold": "missing",
    "whoever": "the client, the caller; say who",
}
"""Texts: strings, docstrings, comments, pages, documents."""

ALLOWED = frozenset({"former_accepted", "standing", "stranger", "tell", "NOBODY_UID"})
"""Names that are public, stored in every database, or those of files and of Unix."""

IRREGULAR_PARTICIPLES = frozenset(
    [
        "begun",
        "built",
        "done",
        "drawn",
        "felt",
        "found",
        "given",
        "gone",
        "heard",
        "held",
        "kept",
        "known",
        "lent",
        "made",
        "meant",
        "met",
        "said",
        "seen",
        "sent",
        "shown",
        "struck",
        "taken",
        "thought",
        "told",
        "understood",
        "won",
        "written",
    ]
)
PREPOSITIONS = frozenset(
    ["after", "as", "at", "before", "by", "from", "in", "of", "off", "on", "out", "to", "up", "with"]
)
PARTICIPLE_LIKE_VERBS = frozenset(
    ["bring", "embed", "feed", "need", "ping", "proceed", "seed", "setting", "shed", "speed", "string", "substring"]
)
