"""The version of recsearch, in one place."""

__version__ = "0.1.0"
