"""The engine: notebooks in, site out, and only what has changed is made again.

Belongs here: the build, the execution of chapters in forked kernels, rendering, and the local server. README.md in
this folder describes the life of a build.

Does not belong here: anything about the review. What the engine needs of it is handed in.
"""
