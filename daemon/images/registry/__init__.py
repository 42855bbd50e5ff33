"""The client of image registries: pulling, pushing, logging in, searching.

`repository` is the seam: whoever moves images uses that Protocol and knows nothing of HTTP.

Source: OCI distribution specification 1.1, and the token protocol of the distribution project.
"""
