"""What a start makes of the journal and of the host, when either is not as the last engine left it."""
