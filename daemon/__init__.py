"""Longshore: a container engine for one Linux host, built of trio actors."""

__version__ = "0.1.0"
