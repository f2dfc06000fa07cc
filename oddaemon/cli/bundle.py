"""One file for whoever helps: what is put into it, and what makes it an archive.

Everything passes through `Bundle.add`, which blots out every secret that is known of, whatever it stands in.
"""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from datetime import datetime

from oddaemon.core.status import instant
from oddaemon.telemetry.redaction import Redactor

MODE = 0o600
MANIFEST = "manifest.json"
NOT_IN_IT = (
    "keys and other secrets",
    "PatNums, names and balances of patients, or any amount at all",
    "comments and unknown settings of the configuration",
    "the log",
)


@dataclass(slots=True)
class Bundle:
    """Texts by their names, what each is, and what could not be had."""

    made_at: datetime
    redactor: Redactor = field(repr=False)
    texts: dict[str, str] = field(default_factory=dict, repr=False)
    told: dict[str, str] = field(default_factory=dict)
    """What each file, or each directory of them, is."""
    missing: dict[str, str] = field(default_factory=dict)
    """What could not be had, and why."""

    @property
    def name(self) -> str:
        """Of the archive, without its ending, and of the one directory in it."""
        return f"oddaemon-support-{self.made_at:%Y%m%dT%H%M%SZ}"

    def tell(self, place: str, what: str) -> None:
        """What stands at a place in it."""
        self.told[place] = what

    def add(self, name: str, text: str) -> None:
        """Put a text in."""
        self.texts[name] = self.redactor.text(text)

    def add_json(self, name: str, document: object) -> None:
        """Put a document in."""
        self.add(name, json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def lacks(self, what: str, why: str) -> None:
        """Something could not be had."""
        self.missing[what] = self.redactor.text(why)

    def packed(self) -> bytes:
        """The archive: a directory with everything and the manifest, compressed."""
        self.add_json(MANIFEST, self._manifest())
        archive = io.BytesIO()
        at = int(self.made_at.timestamp())
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=archive, mtime=at) as compressed,
            tarfile.open(fileobj=compressed, mode="w") as tar,
        ):
            for name, text in sorted(self.texts.items(), key=lambda item: (item[0] != MANIFEST, item[0])):
                content = text.encode(errors="replace")
                member = tarfile.TarInfo(f"{self.name}/{name}")
                member.size, member.mtime, member.mode = len(content), at, MODE
                tar.addfile(member, io.BytesIO(content))
        return archive.getvalue()

    def _manifest(self) -> dict[str, object]:
        return {
            "made_at": instant(self.made_at),
            "in_it": self.told,
            "not_in_it": list(NOT_IN_IT),
            "missing": self.missing,
            "files": {
                name: {
                    "bytes": len(text.encode(errors="replace")),
                    "sha256": hashlib.sha256(text.encode(errors="replace")).hexdigest(),
                }
                for name, text in sorted(self.texts.items())
            },
        }
