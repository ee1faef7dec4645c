"""What to try, where it runs and what was learned: space, study, journal, drivers, engines."""
