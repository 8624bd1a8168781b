"""The Discord messages of jobs: their content, and creating, editing and deleting them."""
