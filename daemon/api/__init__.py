"""Who translates: sockets and HTTP on one side, messages to actors on the other."""
