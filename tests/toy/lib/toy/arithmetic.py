"""A module that only some chapters of the toy project import."""


def mean(numbers: list[float]) -> float:
    """Return the mean."""
    return sum(numbers) / len(numbers)
