"""The version, in a module of its own: the lowest floor may ask for it, and so may the build."""

__version__ = "0.1.0"
