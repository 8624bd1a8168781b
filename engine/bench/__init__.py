"""Throughput and latency of the engine and of diffusers' own pipelines: `python -m engine bench`.

All backends paint the same jobs with the same weights in one run, one after another, so that their
ratios are comparable on any machine.
"""
