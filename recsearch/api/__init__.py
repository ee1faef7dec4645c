"""The public Python interface: `search`, `load`, `compare`, `Run`; it only calls other packages."""
