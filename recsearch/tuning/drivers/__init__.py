"""Drivers decide what is tried next: pure functions of the seed, the space and the trials so far.

They neither run trials (`tuning.engines`) nor record them (`study`).
"""
