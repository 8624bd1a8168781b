"""What people can have done: the use cases. They know neither Discord nor SQL."""
