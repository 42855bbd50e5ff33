"""How root filesystems are made."""
