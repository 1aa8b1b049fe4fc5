"""The version of otelprov."""

__version__ = "0.1.0"
