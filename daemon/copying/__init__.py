"""Copying files from and to containers, by confined children that see what the container sees."""
