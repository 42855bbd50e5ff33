"""Who decides: mailboxes, state tables, and the actors that own containers, execs and images."""
