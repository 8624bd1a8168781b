"""The engine on Ray Serve: replicas of the engine core, on any number of machines."""
