"""The sections of the report page as facts and tables in plain text; no HTML, no plots."""
