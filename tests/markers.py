"""Which tests start processes."""

from typing import Final

PROCESS_FILES: Final = frozenset({
    "test_crashes.py",
    "test_discord_js.py",
    "test_engine_main.py",
    "test_engine_process.py",
    "test_hostile_files.py",
    "test_log_story.py",
    "test_main.py",
    "test_page_story.py",
    "test_playground_page.py",
    "test_playground_page_actions.py",
    "test_privacy_crashes.py",
    "test_sandbox.py",
    "test_sanitize.py",
    "test_soak.py",
    "test_stories.py",
    "test_wheel.py",
})  # fmt: skip
"""Files whose tests start the bot, an engine, a decoder or a browser as a process."""
