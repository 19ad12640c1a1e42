"""The test lab: a cloud of container registries on loopback, under its real names."""

from .core import Lab

__all__ = ["Lab"]
