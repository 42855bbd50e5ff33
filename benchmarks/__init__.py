"""The same work on Longshore, on its floor and on the engines it replaces, side by side.

Nothing here is a test: a figure may be bad, but it never fails a build.  What the figures mean
and how they are taken is in docs/benchmarks.md.
"""
