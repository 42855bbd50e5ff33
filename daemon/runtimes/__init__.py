"""Who runs containers: OCI bundle, runtime command line, conmon, logs on disk."""
