"""Conditions under which Discord fails its bots, each with a switch."""
