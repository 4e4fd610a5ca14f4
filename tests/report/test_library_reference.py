"""The reference of the library: what it lists of a room, and that text of docstrings stays text."""

from types import SimpleNamespace

from lib import stats
from lib.report.chapters.library_reference import reference


def half(value, *, rounded=False):
    """Return half of *value*.

    Parameters
    ----------
    value : float
        A number; ``2 * half(value)`` is the value.

    Raises
    ------
    TypeError
        If it is none.

    Examples
    --------
    >>> half(3.0)
    1.5
    """


def test_a_function_is_listed_with_signature_fields_and_example():
    text = reference(SimpleNamespace(__all__=["half", "CONSTANT"], half=half, CONSTANT=1)).data
    assert text == (
        "### half\n\n`half(value, *, rounded=False)`\n\nReturn half of &#42;value&#42;&#46;\n\n**Parameters**\n\n"
        "- `value` : `float`: A number&#59; ``2 * half(value)`` is the value&#46;\n\n**Raises**\n\n"
        "- `TypeError`: If it is none&#46;\n\n```pycon\n>>> half(3.0)\n1.5\n```"
    )


def test_every_exported_function_and_class_of_stats_has_a_section():
    text = reference(stats).data
    for name in ("pool", "pool_ratios", "Pooled", "influence", "trim_and_fill"):
        assert f"### {name}\n" in text
    assert "`summary`: " in text
