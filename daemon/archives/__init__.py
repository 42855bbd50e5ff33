"""Tars of file trees, read and written by confined children."""
