"""Random numbers from a seed: each decision has a generator of its own, so that a new decision changes no other."""

from random import Random


def make_rng(seed: int, purpose: str) -> Random:
    """The generator for one decision of one seed."""
    return Random(f"simulation/{seed}/{purpose}")


def draw_chance(rng: Random, chance: float) -> bool:
    """Whether it happens, with this chance."""
    return rng.random() < chance
