"""How fast the engine is beside diffusers' own pipelines: `python -m engine bench`.

Engine and rivals paint the same jobs with the same weights in one run, one after the other, so
that their ratios mean something on whatever machine this is.
"""
