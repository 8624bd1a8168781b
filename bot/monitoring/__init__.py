"""Metrics, health checks and statistics for the operator."""
