"""Drivers decide what to try next: pure functions of (seed, space, trials so far)."""
