"""One container: its messages, its state table, its actor, and what the actor needs of the host."""
