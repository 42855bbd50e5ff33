"""The actors under a deterministic simulation: one seed is one interleaving, and the same one each time.

A package of its own beside `tests/unit`, because it mirrors no module: it drives all actors together, for
seconds instead of milliseconds.  `machine`, `disk` and `hosts` are the world under the engine, `engine` is
one life of it, `clients` are those who use it, `checker`, `grammar` and `justice` say what must hold,
`mutants` are the bugs that it has to find.

LONGSHORE_SIMULATION_SEEDS=FIRST-LAST (or one number) chooses the seeds.
"""
