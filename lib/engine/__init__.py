"""The build engine: notebooks in, site out; only what has changed is made again.

Belongs here: the build (`build`, `graph`, `snapshot`); the execution of chapters in forked kernels (`chapter`,
`kernel`, `fork_server`, `preload`); the server of shared results (`result_server`); rendering (`render`); and the local
server (`serve`). README.md in this folder describes the life of a build.

Does not belong here: anything about the review. What the engine needs of it is handed in (`project`).
"""
