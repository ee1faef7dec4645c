"""The settings of a run: names, types, defaults, checks, descriptions; nothing that uses them."""
