"""How chance is read off a seed: each question has dice of its own, so that a new question changes no old answer."""

from random import Random


def make_rng(seed: int, purpose: str) -> Random:
    """The dice for one question about one seed."""
    return Random(f"simulation/{seed}/{purpose}")


def draw_chance(rng: Random, chance: float) -> bool:
    """Whether it happens, with this chance."""
    return rng.random() < chance
