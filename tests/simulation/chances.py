"""How chance is read off a seed: each question has dice of its own, so that a new question changes no old answer."""

from random import Random


def dice_of(seed: int, question: str) -> Random:
    """The dice for one question about one seed."""
    return Random(f"simulation/{seed}/{question}")


def of(dice: Random, chance: float) -> bool:
    """Whether it happens, with this chance."""
    return dice.random() < chance
