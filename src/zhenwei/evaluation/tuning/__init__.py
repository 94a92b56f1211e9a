"""The search for better settings, judged on val alone."""
