"""The commands of ``python -m lib``: one module for each group.

Belongs here: their options, what the terminal shows, and their exit codes: 0 done, 1 a fault in data, chapters or what
was asked for, 2 wrong usage. Each module has ``add_to``, which adds its commands to the parser and names the function
that runs each. Does not belong here: what the commands do, which is in the rooms below.
"""
