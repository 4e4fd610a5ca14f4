"""The formulas by which the registered results are computed, a row for each kind of method.

Belongs here: the table *Formulas* of the page *All results*, and which row a result belongs to. Does not belong here:
the results (`lib.report.registry`), and the functions that compute them.

The module is long because of that table, `FORMULAS`: one entry for each kind of method, in the order of the page. Most
entries refer to the one above them, so the table remains in one piece. Start reading at `formula_of`, below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from lib import evidence, published, stats
from lib.report.tables.table import link_of
from lib.report.text_safety import template

_ON_LIBRARY_PAGE = {room.__name__: {*room.__all__} for room in (stats, evidence, published)}
"""Names of the functions that the page *Library* describes, by the package that exports them."""


@dataclass(frozen=True)
class Formula:
    """How the results of one kind of method are computed.

    Attributes
    ----------
    code : str
        Last part of the id of the row.
    name : str
        Name of the method.
    methods : str
        Regular expression that matches the whole text of ``Entry.method``.
    formula : str
        The formula in words and symbols.
    sources : tuple of (str, str)
        Authors with the year, and DOI, as in the docstring of a function or in its module.
    functions : tuple of str
        Full names of the functions that compute the results; none for a result that is taken from a publication.
    """

    code: str
    name: str
    methods: str
    formula: str
    sources: tuple[tuple[str, str], ...] = ()
    functions: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Id of the row. It is short, because every result on the page repeats it."""
        return f"f-{self.code}"


_DERSIMONIAN_LAIRD = ("DerSimonian & Laird 1986", "10.1016/0197-2456(86)90046-2")
_PAULE_MANDEL = ("Paule & Mandel 1982", "10.6028/jres.087.022")
_VIECHTBAUER = ("Viechtbauer 2005", "10.3102/10769986030003261")
_RUBIN = ("Rubin 1987", "10.1002/9780470316696")
_STIJNEN = ("Stijnen, Hamza & Ozdemir 2010", "10.1002/sim.4040")
_ROEVER = ("Röver, Knapp & Friede 2015", "10.1186/s12874-015-0091-1")
_HARTUNG_KNAPP = ("Hartung & Knapp 2001", "10.1002/sim.1009")

_COUNTS = "all studies with available counts"
_WITHIN = "treatment versus control within each trial"
_ESTIMATOR = "between-study variance on the logit scale, estimator"

# A result finds its row by the text of its method. A field of `Entry` would have to be set at some thirty places and
# would change the public file `results.json`, and a text that no row matches is an error anyway.
FORMULAS = (
    Formula(
        "published",
        "As published by the 2019 review",
        "as published by the 2019 review: .+",
        "Taken from the review. Its method is “Method of the 2019 review” below.",
    ),
    Formula(
        "implied",
        "Implied by a published interval",
        "between-study variance and prediction interval implied by the published interval",
        "s = (upper − lower limit) / (2 z), within what rounding allows; from one limit if the other is 0% or 100%."
        " If estimate and limits disagree, one of them is corrected first."
        " τ² is the value at which 1 / √(Σ 1 / V) = s, with V = p (1 − p) / n + τ² (1 − 1 / n) for each study and p the"
        " published rate. Prediction interval: p ± t √(s² + τ²), t on k − 2 degrees of freedom.",
        (_DERSIMONIAN_LAIRD, ("Higgins, Thompson & Spiegelhalter 2009", "10.1111/j.1467-985X.2008.00552.x")),
        (
            "lib.published.published_interval.read_interval",
            "lib.stats.implied_tau2",
            "lib.stats.prediction_interval",
        ),
    ),
    Formula(
        "rounding",
        "Implied between-study variance, range under rounding",
        "between-study variance implied by the published interval; the interval is the range under its rounding",
        "τ² as in the row above. Its range: τ² from the smallest and from the largest s that agree with the rounded"
        " numbers; 0 if sampling error alone exceeds the smallest s.",
        (_DERSIMONIAN_LAIRD,),
        ("lib.published.published_interval.read_interval", "lib.stats.implied_tau2"),
    ),
    Formula(
        "review",
        "Method of the 2019 review",
        f"the review's method: .+|{_COUNTS}, by the method: Raw, DL: the review's",
        "y = p = x / n, v = p (1 − p) / n. m = Σ w y / Σ w with w = 1 / (v + τ²); 95% CI m ± z / √(Σ w). τ² by"
        " DerSimonian-Laird. A study at 0% or 100% has v = 0 and is left out.",
        (_DERSIMONIAN_LAIRD,),
        ("lib.stats.pool_proportions", "lib.stats.between_study_variance"),
    ),
    Formula(
        "update",
        "Published rate updated with new studies",
        r"published rate and new studies: .+|updated rate without the new study \w+",
        "m solves Σ (y − m) / V = 0 over published and new studies; y is x / n in a new study and the published rate"
        " p in a published one. V = m (1 − m) / n + a (1 − 1 / n), where a is the larger of the implied τ² and 0.05"
        " p (1 − p). s² = Σ w² (m (1 − m) / n + τ² (1 − 1 / n)) / (Σ w)² with w = 1 / V; τ² of all studies is the"
        " value at which Q = Σ w (y − ȳ)², ȳ = Σ w y / Σ w, equals its expected value, at least 0; the published"
        " studies enter Q with the scatter about p that the implied τ² gives. 95% CI m ± z s. If sampling error"
        " alone exceeds the published s, the implied τ² is 0, and the published n are scaled to agree with s.",
        (("DerSimonian & Kacker 2007", "10.1016/j.cct.2006.04.004"),),
        ("lib.published.update", "lib.stats.combine"),
    ),
    Formula(
        "as-if",
        "Updated rate, if the review had used another method",
        "updated rate, as if the review had used the method .+",
        "As in the row above. Paule-Mandel: τ² of all studies is computed again with"
        " w = 1 / (m (1 − m) / n + τ² (1 − 1 / n)), until it no longer changes. Hartung-Knapp: t replaces z, on k − 1"
        " degrees of freedom, in the published and in the updated interval.",
        (_PAULE_MANDEL,),
        ("lib.published.sensitivity", "lib.stats.combine"),
    ),
    Formula(
        "imputed",
        "Updated rate from imputed counts",
        r"all studies pooled on the (raw|logit) scale .+ imputed \d+ times and combined by Rubin's rules",
        "N data sets with imputed counts, each pooled by the review's method or on the logit scale. m = mean of the N"
        " estimates; s² = mean of their squared standard errors + (1 + 1 / N) × variance of the estimates, on the scale"
        " of proportions. 95% CI m ± z s.",
        (_RUBIN,),
        ("lib.published.impute", "lib.published.imputation.update_over_draws"),
    ),
    Formula(
        "logit",
        "Logit scale",
        f"{_COUNTS}: logit scale, .+",
        "y = log(x / (n − x)), v = 1 / x + 1 / (n − x); a study with x = 0 or x = n has 0.5 added to both counts. m,"
        " τ² and 95% CI as in the method of the 2019 review, then the rate 1 / (1 + exp(−m)), and the same for the"
        " limits.",
        (_DERSIMONIAN_LAIRD,),
        ("lib.stats.pool_proportions", "lib.stats.between_study_variance"),
    ),
    Formula(
        "one-out",
        "Leave-one-out and cumulative analysis",
        r"studies with available counts (without|published until) \w+: logit scale .+",
        "As in the row above, without one study, or with the studies published up to one study.",
        (),
        ("lib.stats.leave_one_out", "lib.stats.cumulative", "lib.stats.pool_proportions"),
    ),
    Formula(
        "logistic",
        "Random-intercept logistic model",
        f"random-intercept logistic model, [^,]+, [^,]+, on {_COUNTS}|{_COUNTS}, by the method: Logistic model, normal",
        "x is binomial with n and a true rate whose logit is μ + τ u, u standard normal in each study. μ and τ have"
        " the highest likelihood; s is the standard error of μ from the second derivatives of the log likelihood"
        " there. The estimate is the rate with logit μ, the limits of the 95% CI those with logits μ ± t s, t on k −"
        " 1 degrees of freedom. Normal: z replaces t.",
        (_STIJNEN, ("Liu & Pierce 1994", "10.1093/biomet/81.3.624")),
        (
            "lib.simulations.coverage.Method.pool",
            "lib.stats.pool_proportions",
            "lib.stats.random_intercept_logistic",
        ),
    ),
    Formula(
        "rubin",
        "Random-intercept logistic model, imputed counts",
        r"random-intercept logistic model, .+ imputed \d+ times .+ combined by Rubin's rules",
        "As in the row above in each of N data sets with imputed counts. m = mean of the N values of μ; s² = mean of"
        " their squared standard errors + (1 + 1 / N) × variance of the values. 95% CI m ± t s, t on k − 1 degrees of"
        " freedom; estimate and limits transformed as above.",
        (_RUBIN, _STIJNEN),
        (
            "lib.published.impute",
            "lib.simulations.coverage.Method.pool",
            "lib.report.rate_entries.imputed_rate_entries",
        ),
    ),
    Formula(
        "others",
        "Other scales with the Hartung-Knapp interval",
        f"{_COUNTS}, by the method: .+, HK",
        "95% CI m ± t √(Σ w (y − m)² / ((k − 1) Σ w)), t on k − 1 degrees of freedom, with τ² by the estimator named."
        " Arcsine: y = asin √p, v = 1 / (4 n). Double arcsine:"
        " y = (asin √(x / (n + 1)) + asin √((x + 1) / (n + 1))) / 2, v = 1 / (4 n + 2), transformed back with the"
        " harmonic mean of n.",
        (
            _HARTUNG_KNAPP,
            ("Freeman & Tukey 1950", "10.1214/aoms/1177729756"),
            ("Miller 1978", "10.1080/00031305.1978.10479283"),
        ),
        ("lib.stats.pool_proportions", "lib.stats.pool", "lib.stats.proportions", "lib.stats.to_proportion"),
    ),
    Formula(
        "wilson",
        "Share in one study, of maintenance and of safety",
        r".+, with the score interval \(Wilson 1927\)",
        "p = x / n; 95% CI (x + z² / 2 ± z √(x (n − x) / n + z² / 4)) / (n + z²), the score interval.",
        (("Wilson 1927", "10.1080/01621459.1927.10502953"),),
        ("lib.stats.proportion_interval",),
    ),
    Formula(
        "dl",
        "τ² by DerSimonian-Laird (DL)",
        f"{_ESTIMATOR} DL",
        "τ² = (Q − (k − 1)) / (Σ u − Σ u² / Σ u), at least 0, with u = 1 / v and Q = Σ u (y − ȳ)², ȳ = Σ u y / Σ u.",
        (_DERSIMONIAN_LAIRD,),
        ("lib.stats.pool", "lib.stats.between_study_variance"),
    ),
    Formula(
        "pm",
        "τ² by Paule-Mandel (PM) and empirical Bayes (EB)",
        f"{_ESTIMATOR} (PM|EB)",
        "τ² is the value at which Q(τ²) = Σ w (y − m)² = k − 1, with w = 1 / (v + τ²); 0 if Q(0) is smaller. Both"
        " estimators have this equation.",
        (_PAULE_MANDEL, ("Morris 1983", "10.1080/01621459.1983.10477920")),
        ("lib.stats.pool", "lib.stats.between_study_variance"),
    ),
    Formula(
        "reml",
        "τ² by (restricted) maximum likelihood (ML, REML)",
        f"{_ESTIMATOR} (ML|REML)",
        "τ² ≥ 0 has the highest value of Σ log w − Σ w (y − m)², with w = 1 / (v + τ²); for REML of the same less"
        " log Σ w.",
        (_VIECHTBAUER,),
        ("lib.stats.pool", "lib.stats.between_study_variance"),
    ),
    Formula(
        "sj",
        "τ² by Sidik-Jonkman (SJ)",
        f"{_ESTIMATOR} SJ",
        "τ² = b Q(b) / (k − 1), with b = Σ (y − ȳ)² / k, ȳ the plain mean, and Q(b) = Σ w (y − m)², w = 1 / (v + b).",
        (("Sidik & Jonkman 2005", "10.1111/j.1467-9876.2005.00496.x"),),
        ("lib.stats.pool", "lib.stats.between_study_variance"),
    ),
    Formula(
        "he",
        "τ² by Hedges (HE)",
        f"{_ESTIMATOR} HE",
        "τ² = Σ (y − ȳ)² / (k − 1) − Σ v / k, at least 0, with ȳ the plain mean.",
        (),
        ("lib.stats.pool", "lib.stats.between_study_variance"),
    ),
    Formula(
        "profile",
        "Q-profile interval of τ²",
        "Q-profile interval of the between-study variance on the logit scale, .+",
        "The limits are the values at which Q(τ²) = Σ w (y − m)², w = 1 / (v + τ²), equals the 97.5% and the 2.5%"
        " quantile of chi-square on k − 1 degrees of freedom; 0 if Q(0) is smaller.",
        (("Viechtbauer 2007", "10.1002/sim.2514"),),
        ("lib.stats.heterogeneity_interval",),
    ),
    Formula(
        "i2",
        "I²",
        "I² on the logit scale .+",
        "I² = (Q − (k − 1)) / Q, at least 0, with Q as in the row of DerSimonian-Laird. Limits: τ² / (τ² + g) at"
        " those of the Q-profile interval, with g = (k − 1) / (Σ u − Σ u² / Σ u), u = 1 / v.",
        (("Higgins & Thompson 2002", "10.1002/sim.1186"), ("Viechtbauer 2007", "10.1002/sim.2514")),
        ("lib.stats.pool", "lib.stats.heterogeneity_interval"),
    ),
    Formula(
        "moderator",
        "Meta-regression on a moderator",
        "odds ratio of a response for one unit more of the moderator: .+",
        "y = b₀ + b₁ × moderator on the logit scale, by weights w = 1 / (v + τ²), τ² by REML. Odds ratio exp b₁; 95% CI"
        " exp(b₁ ± t s), t on k − 2 degrees of freedom, with s² the variance of b₁ by the weights times"
        " Σ w (y − fitted y)² / (k − 2).",
        (("Knapp & Hartung 2003", "10.1002/sim.1482"),),
        ("lib.stats.regress",),
    ),
    Formula(
        "filled",
        "Trim-and-fill",
        r"studies with available counts and \d+ added by trim-and-fill: .+",
        "Number missing: (4 T − k (k + 1)) / (2 k − 1), rounded, at least 0, with T the sum of the ranks of |y − m| of"
        " the studies beyond m on the side with more studies. As many of the most extreme studies are left out of m,"
        " until the number no longer changes; the mirror images 2 m − y of those studies are added, and all are pooled"
        " on the logit scale (τ² by REML, normal interval).",
        (("Duval & Tweedie 2000", "10.1080/01621459.2000.10473905"),),
        ("lib.stats.trim_and_fill",),
    ),
    Formula(
        "rr",
        "Risk ratio of one trial",
        f"risk ratio, {_WITHIN}",
        "RR = p₁ / p₂, of treatment (1) and control (2); variance of log RR: 1 / x₁ − 1 / n₁ + 1 / x₂ − 1 / n₂; 95% CI"
        " exp(log RR ± z s). If one of the four counts is 0, 0.5 is added to all four. Arms of the same patients are"
        " treated as independent.",
        (),
        ("lib.evidence.compare", "lib.stats.pool_ratios", "lib.stats.two_groups"),
    ),
    Formula(
        "or",
        "Odds ratio of one trial",
        f"odds ratio, {_WITHIN}",
        "OR = x₁ (n₂ − x₂) / (x₂ (n₁ − x₁)); variance of log OR: 1 / x₁ + 1 / (n₁ − x₁) + 1 / x₂ + 1 / (n₂ − x₂);"
        " 95% CI exp(log OR ± z s). Empty counts as in the row above.",
        (),
        ("lib.evidence.compare", "lib.stats.pool_ratios", "lib.stats.two_groups"),
    ),
    Formula(
        "rd",
        "Risk difference of one trial",
        f"risk difference, {_WITHIN}, limited to what the control arms make possible",
        "RD = p₁ − p₂; 95% CI from RD − √((p₁ − l₁)² + (h₂ − p₂)²) to RD + √((h₁ − p₁)² + (p₂ − l₂)²), where l and h"
        " are the limits of the score interval of each share. All within −p₂ and 1 − p₂.",
        (("Newcombe 1998", "10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I"),),
        ("lib.evidence.compare", "lib.stats.difference_interval", "lib.report.absolute_effects.possible_difference"),
    ),
    Formula(
        "trials",
        "Pooled comparison of trials",
        rf"(risk ratio|odds ratio|risk difference), {_WITHIN}, random effects \(REML\).*",
        "y = log ratio or difference, v its variance (RD: p (1 − p) / n of both arms, with x + 1 and n + 2 for an"
        " arm at 0% or 100%). m = Σ w y / Σ w with w = 1 / (v + τ²), τ² by REML; 95% CI m ± t √(f / Σ w), where f is"
        " the larger of 1 and Σ w (y − m)² / (k − 1), t on k − 1 degrees of freedom, but at least 2.",
        (
            _ROEVER,
            ("Langan et al. 2019", "10.1002/jrsm.1316"),
            ("Agresti & Caffo 2000", "10.1080/00031305.2000.10474560"),
        ),
        ("lib.evidence.compare", "lib.stats.pool_ratios", "lib.stats.pool", "lib.stats.two_groups"),
    ),
    Formula(
        "choices",
        "Risk ratio in a sensitivity analysis",
        "risk ratio, sensitivity analysis: (?!correlation ).+",
        "As in the row above, with the trials named. Normal interval: m ± z / √(Σ w). Common effect: τ² = 0."
        " Hartung-Knapp: f = Σ w (y − m)² / (k − 1), t on k − 1 degrees of freedom. A single"
        " trial as in “Risk ratio of one trial”.",
        (_ROEVER, _HARTUNG_KNAPP),
        ("lib.evidence.compare", "lib.stats.pool_ratios", "lib.stats.pool"),
    ),
    Formula(
        "correlation",
        "Risk ratio with an assumed correlation",
        "risk ratio, sensitivity analysis: correlation .+",
        "As in “Pooled comparison of trials”. In trials whose arms are the same patients v = v₁ + v₂ − 2 r √(v₁ v₂),"
        " with v₁ and v₂ the variances of log p in both arms and r the correlation assumed.",
        (("Elbourne et al. 2002", "10.1093/ije/31.1.140"),),
        ("lib.evidence.assume_correlation", "lib.stats.two_groups"),
    ),
    Formula(
        "shares",
        "Shares with and without the treatment",
        "share of responders (in all control arms together|with the treatment: .+)|difference of the shares .+",
        "Without: c = Σ x₂ / Σ n₂ of all control arms. With: c × RR, or c + RD if c = 0 or there is no RR, within 0"
        " and 1; its 95% CI the same from the limits of RR or RD. Difference: the share with and its limits, less c.",
        (("Guyatt et al. 2013", "10.1016/j.jclinepi.2012.01.012"),),
        ("lib.report.absolute_effects.absolute",),
    ),
    Formula(
        "nnt",
        "Number needed to treat",
        "number needed to treat: .+",
        "1 / RD, rounded up, and its limits the same from those of RD; only if the 95% CI of RD and of RR exclude no"
        " effect.",
        (("Cook & Sackett 1995", "10.1136/bmj.310.6977.452"),),
        ("lib.report.absolute_effects.needed_to_treat",),
    ),
    Formula(
        "later",
        "As published by a later review",
        r"as published by the later review \(.+\)",
        "Taken from the review.",
    ),
)
"""Kinds of method, in the order of the table."""


@cache
def formula_of(method: str) -> Formula:
    """Return the row of the method of a registered result (``Entry.method``).

    Raises
    ------
    ValueError
        If not exactly one row matches the text.

    Examples
    --------
    >>> formula_of("number needed to treat: reciprocal of the risk difference, rounded up").anchor
    'f-nnt'
    """
    matches = [row for row in FORMULAS if re.fullmatch(row.methods, method)]
    if len(matches) != 1:
        raise ValueError(
            f"the method {method!r} matches {len(matches)} rows of FORMULAS in {__name__}, and must match one: change"
            " `methods` of a row, or add a row for a new kind of method"
        )
    return matches[0]


_SHORT_TERM = re.compile(r"(?<=\b\w) ([−/=]) (?=\w\b)")
"""The sign between two single letters or digits, as in ``x / n``, around which a line does not break."""

_TABLE = template(
    """\
<div class="review-table"><table class="review review-results">
<caption>How the results are computed</caption>
<thead><tr><th scope="col">Method</th><th scope="col">Formula</th></tr></thead>
<tbody>
{% for row in rows %}
<tr id="{{ row.anchor }}"><td>{{ row.name }}</td><td>{{ row.formula }}</td></tr>
<tr class="detail"><td colspan="2"><div>
{%- for source, address in row.sources %}
{{ "Source: " if loop.first }}<a href="{{ address }}">{{ source }}</a>{{ ". " if loop.last else "; " }}
{%- endfor %}
{%- for name, address in row.functions %}
{{ "Computed by " if loop.first }}
{%- if address %}<a href="{{ address }}"><code>{{ name }}</code></a>{% else %}<code>{{ name }}</code>{% endif %}
{{- "." if loop.last else ", " }}
{%- else %}Not computed here.{% endfor %}</div></td></tr>
{% endfor %}
</tbody></table></div>
"""
)


class Formulas:
    """The formulas of all kinds of method, as a page shows them."""

    def __repr__(self) -> str:
        return f"{len(FORMULAS)} formulas"

    def _repr_html_(self) -> str:
        rows = [
            {
                "anchor": row.anchor,
                "name": row.name,
                "formula": _SHORT_TERM.sub("\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", row.formula),
                "sources": [(name, _doi_address(doi)) for name, doi in row.sources],
                "functions": [(name, library_address(name)) for name in row.functions],
            }
            for row in FORMULAS
        ]
        return _TABLE.render(rows=rows)


def library_address(function: str) -> str:
    """Return the address of a function on the page *Library*; empty if the page does not describe it.

    Examples
    --------
    >>> library_address("lib.stats.pool_proportions")
    'library.html#pool-proportions'
    """
    room, _, name = function.rpartition(".")
    return f"library.html#{name.replace('_', '-')}" if name in _ON_LIBRARY_PAGE.get(room, ()) else ""


def _doi_address(doi: str) -> str:
    link = link_of(f"doi:{doi}")
    assert link is not None
    return link[1]
