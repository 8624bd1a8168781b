"""Suites of checks and measurements for one device: `python -m engine bench --suite gpu`.

A suite is a list of parts. The report is a JSON file, which is written again after each check, so
that an interrupt or a crash loses nothing.
"""
