"""The configuration in force: how it is derived, planned and replaced as a whole."""
