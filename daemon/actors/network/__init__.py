"""One network: who is in it, with which addresses, and its place in the kernel."""
