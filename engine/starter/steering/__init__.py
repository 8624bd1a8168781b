"""Training of what steers the starter: lines, edits by words, styles and example pictures."""
