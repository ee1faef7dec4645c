"""HTML pages and plots of runs, from the records in `results`; metrics are not computed here."""
