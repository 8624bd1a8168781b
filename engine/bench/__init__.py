"""Throughput and latency of the engine and of diffusers' own pipelines: `python -m engine bench`.

In one run, all backends paint the same jobs with the same weights, one backend after another, so
that the ratios of their results are comparable between machines.
"""
