"""The kinds of jobs: each module makes recipes from a request."""
