"""Meta-analysis on arrays of numbers, usable without the rest of the project.

Belongs here: effect sizes, between-study variance, pooling and its rearrangements, the logistic model,
meta-regression, influence, small-study effects, and the combination of a published summary with new studies. Every
function takes arrays; most analyse many data sets at once, one in each column. Results are shown as tables (`display`),
and mistakes in a call are errors that name the study or the argument (`arguments`, `checks`).

Does not belong here: vitiligo, files, figures, sentences about results.

To read it, begin with `effect_sizes` (counts to effects), `pooling` (effects to a pooled result), `pooling_counts`
(counts to a pooled result) and `pooled_result`; `tau2` and `mean_model` estimate the variance between studies. The
other modules build on these.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
