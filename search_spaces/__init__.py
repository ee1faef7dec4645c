"""The built-in search spaces: one module each, whose `build(hp, data)` is the space."""
