"""The connections to Discord's gateway: shards, and the limits of starting sessions."""
