"""Names of containers, answered by a process of its own that outlives the engine (docs/adr/0014).

The process (`python -m daemon.networks.resolver`) imports nothing of the engine but plans, so that it stays
small; `client` is the engine's side and the only module here that the engine imports.
"""
