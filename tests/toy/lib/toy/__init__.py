"""All that the toy project has besides the engine: its inputs, its results and its commands."""
