"""What people see of a run: plots and the report page. Knows trials only as records."""
