"""One exec session: a further process in a running container."""
