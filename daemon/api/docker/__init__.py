"""The Docker Engine API, one module for each group of routes."""
