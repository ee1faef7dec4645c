"""The built-in search spaces: one module per space, with a function `build(hp, data)`."""
