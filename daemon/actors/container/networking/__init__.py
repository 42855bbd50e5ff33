"""A container's networks: places and ports, links, firewall and names, and back.

`wiring` is the seam to whoever has the kernel do it; `linkplans`, `naming` and `descriptions` say what is to
be done; `runs` does it for a run, from its start to its end; `changes` does it while a container runs.
"""
