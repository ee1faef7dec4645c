"""The command line: flags, commands and their output; all other code is in packages below it."""
