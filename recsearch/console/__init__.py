"""What a person sees of a running search: progress lines, live table, time left; no results."""
