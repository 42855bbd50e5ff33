"""What may pass to and from containers: one nftables table, and the only code that changes it."""
