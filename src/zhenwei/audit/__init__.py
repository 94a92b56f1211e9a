"""The audit of articles before anything is trained on them: leaks, shortcuts, drift and damage."""
