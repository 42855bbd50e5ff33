"""Content store, image formats and layers."""
