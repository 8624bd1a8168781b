"""The kinds of jobs: each makes recipes from a request."""
