"""What steers pictures beside their prompts: adapters, controls and references."""
