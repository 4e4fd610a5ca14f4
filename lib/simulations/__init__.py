"""Long simulations that depend on code alone, with their committed results.

Belongs here: a module for each simulation, their results in ``results/``, and `committed`, which reads the results,
refuses those that were computed by other code, and computes them again (``make simulations``).

Does not belong here: anything that depends on ``data/``.
"""
