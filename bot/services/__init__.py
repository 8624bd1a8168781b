"""The use cases: accept, run, deliver and delete jobs. They depend on neither Discord nor SQL."""
