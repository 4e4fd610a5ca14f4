"""Mark the words of a title or an abstract that bear on the criteria for inclusion.

Belongs here: the words, by the criterion that they bear on. Does not belong here: the form of the marks, which a style
sheet has, and whether a record is eligible, which only a person decides.
"""

from __future__ import annotations

import re

CRITERIA = {
    "population": ("People with vitiligo", r"vitiligo|leu[ck]oderma|depigment\w*"),
    "treatment": (
        "A topical calcineurin inhibitor in at least one arm",
        r"tacrolimus|pimecrolimus|calcineurin|protopic|elidel|fk-?506|asm ?981|tcis?",
    ),
    "design": (
        "A prospective study with at least 10 participants",
        r"random\w*|prospective\w*|placebo|vehicle|controlled|double-blind\w*|blind\w*|trial|pilot|open-label|split-body"
        r"|left-right|comparative|retrospective\w*|case reports?|case series|review|meta-analys\w*",
    ),
    "outcome": (
        "Repigmentation on the quartile scale",
        r"repigment\w*|respon[ds]\w*|quartile|vasi|[≥>] ?(?:25|50|75) ?%|(?:25|50|75) ?%",
    ),
}
"""What a study must be, and the words that bear on it, by the name of its mark."""
_MARKED = re.compile(
    "|".join(rf"(?P<{name}>(?<!\w)(?:{words})(?!\w))" for name, (_, words) in CRITERIA.items()), re.IGNORECASE
)


def parts(text: str) -> list[tuple[str, str]]:
    """Divide a text into parts, each with the criterion that it bears on; empty for the others.

    Examples
    --------
    >>> parts("Made-up trial of tacrolimus.")
    [('Made-up ', ''), ('trial', 'design'), (' of ', ''), ('tacrolimus', 'treatment'), ('.', '')]
    """
    divided, end = [], 0
    for match in _MARKED.finditer(text):
        divided += [(text[end : match.start()], ""), (match[0], match.lastgroup or "")]
        end = match.end()
    return [(part, criterion) for part, criterion in (*divided, (text[end:], "")) if part]
