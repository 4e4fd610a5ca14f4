"""The build engine: it turns notebooks into the site, and repeats only the steps whose inputs have changed.

Belongs here: the build (`build`, `graph`, `snapshot`); the execution of chapters in forked kernels (`chapter`,
`kernel`, `fork_server`, `preload`); the server of shared results (`result_server`); rendering (`render`); and the local
server (`serve`). README.md in this folder describes the life of a build.

Does not belong here: anything about the review. The engine receives what it needs as a `project.Project`.
"""
