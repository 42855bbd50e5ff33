"""Docker's plugins: finding them, speaking to them, and being one.

Source: moby `pkg/plugins/{client,discovery_unix,plugins,transport}.go`; api-contract section 5.1.
"""
