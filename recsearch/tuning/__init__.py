"""The search: which configurations are tried, where trials run, and the loop between the two.

The records of a search (trials, journal, study) are in `study`, the training of one model is in
`training`, and the stages after the search are in `workflow`.

- `space`: search spaces, from the reference of a builder to a configuration.
- `drivers`: decide what is tried next.
- `engines`: run trials, in this process or in worker processes.
"""
