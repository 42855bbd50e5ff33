"""Pulling: from a reference to an image that is complete on disk and not recorded yet."""
