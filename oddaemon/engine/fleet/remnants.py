"""What outlasts a membership in one process: the requests that began under it, and its number."""

NUMBERS_MAX = 50
"""What an older one left open has ended by its time."""


class Remnants:
    """Of all memberships of this process."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        """Of the previous members. Nothing is done under them any more, so what they left open has ended, except:"""
        self.under_way: set[str] = set()
        """offices with a request under way,"""
        self.cut: dict[str, float] = {}
        """and those whose request was cut off, with the time of the boot clock until which the other side may still
        work on it."""
        self.timeline = 0
        """The highest one of any server so far."""

    def add(self, number: int) -> None:
        """A membership is over."""
        self.numbers = [*self.numbers[1 - NUMBERS_MAX :], number]

    def list_open(self, boot_now: float) -> frozenset[str]:
        """The offices with a request that may not have ended."""
        self.cut = {name: until for name, until in self.cut.items() if until > boot_now}
        return frozenset(self.under_way | self.cut.keys())
