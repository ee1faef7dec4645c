"""The records of a search: trials, journal, replay, checkpoints; no training, no sampling."""
